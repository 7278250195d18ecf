"""Pictures of alignment: figures by layer and language, and the cosines between the words of a pair."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.report.page import figure_of, save_picture

# of each task the figure that is drawn, and what it is called
DRAWN = {
    "sentence_retrieval": ("centred_forward", "sentence retrieval, centred, P@1, %"),
    "word_retrieval": ("centred_forward", "word retrieval, centred, P@1, %"),
    "gold_alignment": ("aer", "error rate of links from states, %"),
}


def layer_tables(record: dict[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of every figure of alignment, a row a layer and a column a language."""
    tables = []
    for task, languages in record["layers"].items():
        for key in dict.fromkeys(key for layers in languages.values() for own in layers for key in own):
            digits = 1 if any(abs(own[key]) > 1 for layers in languages.values() for own in layers) else 3
            rows = [
                [f"{number}{'*' if number == record['layer'] else ''}"] + [f"{own[key]:.{digits}f}" for own in of_layer]
                for number, of_layer in enumerate(zip(*languages.values(), strict=True))
            ]
            title = f"{task}, {key.replace('_', ' ')}, model {record['number']}"
            tables.append((title, ["layer", *languages], rows))
    return tables


def layer_curves(record: dict[str, Any], file: Path) -> Path:
    """Write a PNG: for each alignment task a curve a language over the layers, and the margin of linked words."""
    panels = [(task, *DRAWN[task]) for task in record["layers"]]
    if "word_retrieval" in record["layers"]:
        panels.append(("word_retrieval", "margin", "cosine of linked words minus that of random ones"))
    figure = figure_of(5 * len(panels), 4)
    axes = figure.subplots(1, len(panels), squeeze=False)
    for own, (task, key, label) in zip(axes[0], panels, strict=True):
        for code, layers in record["layers"][task].items():
            own.plot(range(len(layers)), [figures[key] for figures in layers], marker=".", label=code)
        own.axvline(record["layer"], color="grey", linestyle=":", linewidth=1)
        own.set(xlabel="layer (0: embeddings)", ylabel=label)
        own.legend(fontsize=8)
    return save_picture(figure, file)


def layers_by_system(curves: Mapping[str, Sequence[dict[str, Any]]], file: Path) -> Path:
    """Write a PNG: for each alignment task a curve a system over the layers, the mean over its records and languages.

    Args:
        curves: the records of alignment by the name of the curve.
    """
    tasks = list(dict.fromkeys(task for records in curves.values() for record in records for task in record["layers"]))
    figure = figure_of(5 * len(tasks), 4)
    axes = figure.subplots(1, len(tasks), squeeze=False)
    for own, task in zip(axes[0], tasks, strict=True):
        key, label = DRAWN[task]
        for name, records in curves.items():
            values = [
                [figures[key] for figures in layers]
                for record in records
                for layers in record["layers"].get(task, {}).values()
            ]
            if values:
                own.plot(range(len(values[0])), np.mean(values, axis=0), marker=".", label=name)
        own.set(xlabel="layer (0: embeddings)", ylabel=label)
        own.legend(fontsize=6)
    return save_picture(figure, file)


def similarity_maps(record: dict[str, Any], file: Path) -> Path:
    """Write a PNG: for each language a heat map of the cosines between the words of one held-out pair."""
    cosines = record["cosines"]
    columns = min(3, len(cosines))
    rows = -(-len(cosines) // columns)
    figure = figure_of(5.5 * columns, 5 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for own in axes.flat[len(cosines) :]:
        own.axis("off")
    for own, (code, (source, target, values)) in zip(axes.flat, cosines.items(), strict=False):
        image = own.imshow(np.asarray(values), vmin=-1, vmax=1, cmap="RdBu_r")
        own.set_xticks(range(len(target)), target, rotation=60, ha="right", fontsize=8)
        own.set_yticks(range(len(source)), source, fontsize=8)
        own.set_title(f"{code}, layer {record['layer']}")
    figure.colorbar(image, ax=axes, shrink=0.6, label="cosine")
    return save_picture(figure, file)
