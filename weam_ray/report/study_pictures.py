"""The pictures of a study: gains by language and by group, intermediate trainings, alignment against gain, amounts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.evaluate.compare import LOWER_IS_BETTER
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.measure.by_layer import METRICS, SENTENCES
from weam_ray.report.layers import layers_by_system
from weam_ray.report.page import figure_of, save_picture
from weam_ray.report.study_tables import MAJORITY, Place, Rows, places_of
from weam_ray.settings.study import NONE, StudySettings
from weam_ray.study.contrasts import interval_of

FLOOR: dict[str, Any] = {"color": "grey", "linestyle": "--", "linewidth": 1}


def pictures(settings: StudySettings, rows: Rows, folder: Path) -> dict[str, Path]:
    """All pictures that the study has data for, by what they show."""
    places = list(places_of(rows))
    reference = next(iter(settings.systems))
    found: dict[str, Path] = {}
    full = [own for own in places if len(own.systems) > 1]
    for place in full:
        name = "-".join(
            ["gain", place.task, place.setting, *([place.intermediate] if place.intermediate != NONE else [])]
        )
        found[f"Gain over {reference} by language: {place.title}"] = gains(
            place, reference, {code: [code] for code in place.languages}, folder / f"{name}.png"
        )
        groups = {
            group: own
            for group, codes in settings.groups.items()
            if (own := [code for code in codes if code in place.languages])
        }
        if len(groups) > 1:
            found[f"Gain over {reference} by group of languages: {place.title}"] = gains(
                place, reference, groups, folder / f"{name}-groups.png"
            )
    if len(settings.intermediate) > 1:
        for task, setting in dict.fromkeys((own.task, own.setting) for own in places):
            alike = [place for place in places if (place.task, place.setting) == (task, setting)]
            found[f"Intermediate trainings: {task}, {setting}"] = interaction(
                alike, folder / f"intermediate-{task}-{setting}.png"
            )
    measured = alignment_records(rows)
    if measured:
        found["Alignment by layer, the mean over languages and encoders"] = layers_by_system(
            measured, folder / "alignment-layers.png"
        )
    drawn = against_alignment(places, reference, folder / "alignment-and-gain.png")
    if drawn is not None:
        found["Gain of the tasks against gain of sentence retrieval"] = drawn
    if settings.low_resource is not None:
        for place in places:
            curve = amounts(place, settings, folder / f"amount-{place.task}-{place.setting}-{place.intermediate}.png")
            if curve is not None:
                found[f"The amount of parallel text: {place.title}"] = curve
    return found


def alignment_records(rows: Rows) -> dict[str, list[dict[str, Any]]]:
    """The records of alignment by system and intermediate training, as their cells have left them."""
    folders: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["task"] in METRICS and row["folder"]:
            after = "" if row["intermediate"] == NONE else f", after {row['intermediate']}"
            folders.setdefault(f"{row['system']}{after}", {})[row["folder"]] = None
    return {
        name: [json.loads(file.read_text(encoding="utf-8")) for folder in own for file in Path(folder).glob("runs/*")]
        for name, own in folders.items()
    }


def unit_gains(place: Place, system: str, reference: str, languages: Sequence[str]) -> list[float]:
    """The scores of a system less those of the reference, by unit; one encoder stands against each."""
    own, other = place.units(system, languages), place.units(reference, languages)
    if not own or not other:
        return []
    common = [seed for seed in own if seed in other]
    if common and len(other) > 1:
        return [own[seed] - other[seed] for seed in common]
    middle = float(np.mean(list(other.values())))
    return [value - middle for value in own.values()]


def gains(place: Place, reference: str, columns: Mapping[str, Sequence[str]], file: Path) -> Path:
    """Bars of the gain over the reference system with 95 % intervals over units, and every unit as a dot."""
    systems = [name for name in place.systems if name != reference]
    figure = figure_of(max(6, 0.35 * len(systems) * len(columns) + 2), 4)
    axes = figure.subplots()
    width = 0.8 / max(1, len(systems))
    for k, system in enumerate(systems):
        for at, codes in enumerate(columns.values()):
            values = unit_gains(place, system, reference, codes)
            if not values:
                continue
            x = at - 0.4 + (k + 0.5) * width
            label = system if at == 0 else None
            axes.bar(x, np.mean(values), width, color=f"C{k % 10}", alpha=0.6, label=label)
            if len(values) > 1:
                low, high = interval_of(np.array(values))
                axes.plot([x, x], [low, high], color="black", linewidth=1)
            axes.plot([x] * len(values), values, ".", color="black", markersize=3)
    for at, codes in enumerate(columns.values()):
        floor, other = place.majority(codes), list(place.units(reference, codes).values())
        if floor is not None and other:
            height = floor - float(np.mean(other))
            axes.plot([at - 0.45, at + 0.45], [height, height], **FLOOR, label=MAJORITY if at == 0 else None)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(columns)), list(columns))
    lower = ", lower is better" if place.metric in LOWER_IS_BETTER else ""
    axes.set(ylabel=f"points over {reference}{lower}", title=f"{place.title} ({place.metric})")
    axes.legend(fontsize=7, ncols=2)
    return save_picture(figure, file)


def interaction(places: Sequence[Place], file: Path) -> Path:
    """A line a system over the intermediate trainings: the average over the languages other than English."""
    figure = figure_of(max(5, 1.2 * len(places) + 2), 4)
    axes = figure.subplots()
    for k, system in enumerate(places[0].systems):
        values = [list(place.units(system, others(place)).values()) for place in places]
        if not all(values):
            continue
        x = np.arange(len(places)) + 0.04 * k
        axes.plot(x, [np.mean(own) for own in values], "o-", color=f"C{k % 10}", markersize=4, label=system)
        for at, own in zip(x, values, strict=True):
            axes.plot([at] * len(own), own, ".", color=f"C{k % 10}", markersize=3)
    floors = [floor for place in places if (floor := place.majority(others(place))) is not None]
    if len(floors) == len(places):
        axes.plot(range(len(places)), floors, **FLOOR, label=MAJORITY)
    axes.set_xticks(range(len(places)), [place.intermediate for place in places])
    title = f"{places[0].task}, {places[0].setting}: after which intermediate training"
    axes.set(ylabel=f"{places[0].metric}, %", title=title)
    axes.legend(fontsize=7)
    return save_picture(figure, file)


def others(place: Place) -> list[str]:
    """The languages other than English."""
    return [code for code in place.languages if code != ENGLISH] or place.languages


def against_alignment(places: Sequence[Place], reference: str, file: Path) -> Path | None:
    """A dot for each system and language: what it gains in sentence retrieval, and in each task; None without both."""
    retrieval = next((own for own in places if own.task == SENTENCES and own.intermediate == NONE), None)
    tasks = [own for own in places if own.task not in METRICS and own.intermediate == NONE]
    if retrieval is None or not tasks:
        return None
    figure = figure_of(6, 4.5)
    axes, drawn = figure.subplots(), False
    for k, place in enumerate(tasks):
        points = [
            (np.mean(unit_gains(retrieval, system, reference, [code])), np.mean(gain))
            for system in place.systems
            if system != reference and system in retrieval.systems
            for code in others(place)
            if code in retrieval.languages and (gain := unit_gains(place, system, reference, [code]))
        ]
        if points:
            x, y = zip(*points, strict=True)
            drawn = True
            axes.plot(x, y, "o", color=f"C{k % 10}", markersize=4, alpha=0.7, label=place.title)
    if not drawn:
        return None
    axes.axhline(0, color="black", linewidth=0.6)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set(xlabel=f"points of sentence retrieval over {reference}", ylabel=f"points of the task over {reference}")
    axes.legend(fontsize=7)
    return save_picture(figure, file)


def amounts(place: Place, settings: StudySettings, file: Path) -> Path | None:
    """A curve for each system over the share of parallel text of one language, which is the one that is measured."""
    axis = settings.low_resource
    assert axis is not None
    language = next((code for code in axis.pair.split("-") if code != ENGLISH), axis.pair)
    if language not in place.languages:
        return None
    figure = figure_of(6, 4)
    axes = figure.subplots()
    for k, system in enumerate(axis.systems):
        shares = [(share, f"{system}@{100 * share:g}%") for share in sorted(axis.shares)]
        own = [(share, list(place.units(name, [language]).values())) for share, name in shares if name in place.systems]
        own = [(share, values) for share, values in own if values]
        if not own:
            return None
        x = [100 * share for share, _ in own]
        axes.plot(x, [np.mean(values) for _, values in own], "o-", color=f"C{k % 10}", label=system)
        for at, (_, values) in zip(x, own, strict=True):
            axes.plot([at] * len(values), values, ".", color=f"C{k % 10}")
    floor = place.majority([language])
    if floor is not None:
        axes.plot([100 * min(axis.shares), 100 * max(axis.shares)], [floor, floor], **FLOOR, label=MAJORITY)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(xlabel=f"% of the pairs of {axis.pair}", ylabel=f"{language}: {place.metric}, %", title=place.title)
    axes.legend(fontsize=7)
    return save_picture(figure, file)
