"""The tables of a study: its answers, and the scores of its systems by task and language."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weam_ray.evaluate.compare import LOWER_IS_BETTER
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.report.page import MARK
from weam_ray.settings.study import NONE
from weam_ray.study.answers import Answer
from weam_ray.study.rates import Tried

Rows = Sequence[Mapping[str, Any]]
AVERAGE = "average"  # over the languages other than English
MAJORITY = "majority class, or chance"


@dataclass(frozen=True)
class Table:
    """A table with its heading and what is to be said below it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str]


@dataclass(frozen=True)
class Place:
    """The scores of one task, in one setting, after one intermediate training."""

    task: str
    setting: str
    intermediate: str
    rows: Rows

    @property
    def title(self) -> str:
        after = "" if self.intermediate == NONE else f", after {self.intermediate}"
        return f"{self.task}, {self.setting}{after}"

    @property
    def languages(self) -> list[str]:
        """English first."""
        found = dict.fromkeys(row["language"] for row in self.rows)
        return sorted(found, key=lambda code: code != ENGLISH)

    @property
    def systems(self) -> list[str]:
        return list(dict.fromkeys(row["system"] for row in self.rows))

    @property
    def metric(self) -> str:
        return str(self.rows[0]["metric"])

    def units(self, system: str, languages: Sequence[str]) -> dict[int | None, float]:
        """The mean over some languages and the fine-tuning seeds of each encoder, by pre-training seed; copies once.

        A system that has not all of the languages has none.
        """
        by_unit: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.rows:
            if row["system"] == system and row["language"] in languages:
                by_unit.setdefault(row["weights"], []).append(row)
        found = {}
        for own in by_unit.values():
            if not {*languages} <= {row["language"] for row in own}:
                continue
            first = own[0]["pretraining_seed"]
            means = [np.mean([row["value"] for row in own if row["language"] == code]) for code in languages]
            found[first] = float(np.mean(means))
        return found

    def majority(self, languages: Sequence[str]) -> float | None:
        """What always the most frequent label of the training data gets, as the mean over some languages."""
        known = {row["language"]: row["majority"] for row in self.rows}
        own = [known.get(code) for code in languages]
        return float(np.mean([value for value in own if value is not None])) if own and None not in own else None


def places_of(rows: Rows) -> Iterator[Place]:
    """The tasks, settings and intermediate trainings of a study, each with its chosen rows."""
    chosen = [row for row in rows if row["chosen"]]
    for task, setting, intermediate in dict.fromkeys(
        (row["task"], row["setting"], row["intermediate"]) for row in chosen
    ):
        own = [
            row for row in chosen if (row["task"], row["setting"], row["intermediate"]) == (task, setting, intermediate)
        ]
        yield Place(task, setting, intermediate, own)


def spread(values: Sequence[float]) -> str:
    """A mean with the standard deviation over units (n - 1)."""
    mean = float(np.mean(values))
    return f"{mean:.1f} ± {float(np.std(values, ddof=1)):.1f}" if len(values) > 1 else f"{mean:.1f}"


def score_table(place: Place, groups: Mapping[str, Sequence[str]]) -> Table:
    """The systems of a place by language, group of languages, and their average."""
    others = [code for code in place.languages if code != ENGLISH]
    columns: dict[str, list[str]] = {code: [code] for code in place.languages}
    columns |= {name: own for name, codes in groups.items() if (own := [code for code in codes if code in others])}
    if others:
        columns[AVERAGE] = others
    lower = place.metric in LOWER_IS_BETTER
    majorities = {name: place.majority(codes) for name, codes in columns.items()}
    rows, marked = [], False
    for system in place.systems:
        cells = [system]
        for name, codes in columns.items():
            values = list(place.units(system, codes).values())
            if not values:
                cells.append("")
                continue
            floor = majorities[name]
            mark = floor is not None and not lower and float(np.mean(values)) <= floor
            marked |= mark
            cells.append(f"{spread(values)} {MARK}" if mark else spread(values))
        rows.append(cells)
    if any(value is not None for value in majorities.values()):
        rows.append([MAJORITY, *("" if value is None else f"{value:.1f}" for value in majorities.values())])
    notes = [f"{place.metric}, percent{', lower is better' if lower else ''}; ± over pre-trained encoders."]
    if marked:
        notes.append(f"{MARK}: not above the majority class of the training data, or chance.")
    return Table(place.title, ["system", *columns], rows, notes)


def answer_table(answers: Sequence[Answer]) -> Table:
    """The claims with their verdicts and figures."""
    rows = []
    for own in answers:
        found = own.finding
        interval = "" if found.interval is None else f"{found.interval[0]:.2f} to {found.interval[1]:.2f}"
        detectable = "" if found.detectable is None else f"{found.detectable:.2f}"
        p = "" if own.p is None else f"{own.p:.3g}"
        effect = f"{found.effect:+.2f}"
        rows.append([own.claim.name, own.verdict, effect, interval, str(found.num_units), p, detectable])
    columns = ["claim", "verdict", "effect", "95 % interval", "n", "p", "detectable"]
    notes = [
        "Effects are in percentage points, or coefficients of correlation; more is better. The units (n) are "
        "pre-trained encoders unless a note says otherwise; p is adjusted over all claims (Holm). `detectable` is the "
        "effect that this many units, with this spread, would have shown 4 times in 5."
    ]
    return Table("Claims", columns, rows, notes)


def averages_table(rows: Rows) -> Table:
    """The systems by task, as the average over the languages other than English."""
    places = list(places_of(rows))
    systems = list(dict.fromkeys(row["system"] for row in rows))
    columns = {place.title: place for place in places}
    found = []
    for system in systems:
        cells = [system]
        for place in columns.values():
            others = [code for code in place.languages if code != ENGLISH] or place.languages
            values = list(place.units(system, others).values()) if system in place.systems else []
            cells.append(spread(values) if values else "")
        found.append(cells)
    return Table("Averages over languages", ["system", *columns], found, [])


def rates_table(tried: Sequence[Tried]) -> Table:
    """The learning rates of pre-training that were tried, and those that were chosen."""
    rows = [[own.system, f"{own.rate:g}", f"{own.development:.1f}", "chosen" if own.chosen else ""] for own in tried]
    notes = ["The mean score on English development data of the encoder of the first seed, percent."]
    return Table("Learning rates of pre-training", ["system", "rate", "development", ""], rows, notes)


def trainings_table(results: Mapping[tuple[str, int], Mapping[str, Any]]) -> Table:
    """The pre-trainings with all that names them."""
    rows = [
        [name, str(seed), str(own["fingerprint"]), f"{own['seconds']:.0f}", str(own["model"])]
        for (name, seed), own in results.items()
    ]
    return Table("Pre-trainings", ["system", "seed", "fingerprint", "seconds", "model"], rows, [])
