"""The table of a study: a row for each score of a cell, `cells.parquet`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.evaluate.compare import LOWER_IS_BETTER
from weam_ray.evaluate.languages import ENGLISH

SCHEMA = pa.schema(
    [
        ("system", pa.string()),
        ("share", pa.float64()),  # of the pairs of the low-resource pair; null where all are taken
        ("intermediate", pa.string()),
        ("setting", pa.string()),
        ("task", pa.string()),
        ("language", pa.string()),
        ("pretraining_seed", pa.int64()),  # null for an encoder that no study trains
        ("finetuning_seed", pa.int64()),  # null where nothing is trained
        ("metric", pa.string()),
        ("value", pa.float64()),  # percent
        ("majority", pa.float64()),  # percent; what always the most frequent label of the training data gets
        ("learning_rate", pa.float64()),  # of the fine-tuning; null where nothing is trained
        ("development", pa.float64()),  # the best score on English development data, percent
        ("chosen", pa.bool_()),  # whether this learning rate was best on English development data
        ("weights", pa.string()),  # of the pre-trained encoder, hashed
        ("folder", pa.string()),  # of the cell, with its predictions
        ("seconds", pa.float64()),  # of the whole cell, which may have several languages
        ("reused", pa.bool_()),  # whether an earlier session or study had it
    ]
)

Place = tuple[str, str, str, str, str]  # system, intermediate, setting, task, language


@dataclass(frozen=True)
class Score:
    """One value of a place, in percent, of an encoder by the hash of its weights."""

    value: float
    weights: str
    pretraining_seed: int | None
    finetuning_seed: int | None


@dataclass
class Scores:
    """The chosen scores of a study by place, with what tells which way is up."""

    places: dict[Place, list[Score]] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Scores":
        """Take the rows of the table; those of learning rates that were not chosen are left out."""
        found = cls()
        for row in rows:
            if not row["chosen"]:
                continue
            place = (row["system"], row["intermediate"], row["setting"], row["task"], row["language"])
            score = Score(row["value"], row["weights"], row["pretraining_seed"], row["finetuning_seed"])
            found.places.setdefault(place, []).append(score)
            found.metrics[row["task"]] = row["metric"]
        return found

    def lower_is_better(self, task: str) -> bool:
        return self.metrics[task] in LOWER_IS_BETTER

    def tasks(self, setting: str | None = None) -> list[str]:
        """The tasks, of a setting or of all, in the order of the table."""
        return list(dict.fromkeys(place[3] for place in self.places if setting in (None, place[2])))

    def languages(self, task: str) -> list[str]:
        """The languages of a task other than English, in the order of the table."""
        found = dict.fromkeys(place[4] for place in self.places if place[3] == task)
        return [code for code in found if code != ENGLISH]


def write_cells(rows: Iterable[Mapping[str, Any]], file: Path) -> pa.Table:
    """Write the table of a study."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    partial = file.with_name(f".{file.name}")
    pq.write_table(table, partial)
    partial.rename(file)
    return table
