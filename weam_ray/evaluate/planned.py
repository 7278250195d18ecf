"""A task of an evaluation with its data, recipe and labels, as it is planned."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.tasks.base import Split, Task
from weam_ray.settings.evaluation import Recipe

SAMPLING = 18  # so that rows are drawn otherwise than anything else by the same seed


@dataclass
class Planned:
    """A task with its data, recipe, labels and test languages.

    `data_fingerprints`, and `counts` of rows, are by split and language, such as `train-en`.
    `tables` has the rows of every split and language that is used, until they are handed to the tasks that need them.
    `layers` are those that retrieval without training takes of the encoders: one, unless they have other depths.
    """

    data: TaskData
    recipe: Recipe
    labels: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    data_fingerprints: dict[str, str] = field(default_factory=dict)
    tables: dict[tuple[Split, str], pa.Table] = field(default_factory=dict)
    layers: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        return self.data.task

    def samples(self, split: Split) -> bool:
        """Whether each seed takes rows of its own of a split."""
        return split == "train" and self.recipe.max_train is not None

    def rows(self, split: Split, codes: Sequence[str], seed: int) -> pa.Table:
        """Join the rows of some languages; of `max_train` training rows each has its share, drawn by the seed."""
        tables = [self.tables[split, code] for code in codes]
        if self.samples(split):
            tables = [sample(table, self.share(len(codes)), seed) for table in tables]
        return pa.concat_tables(tables)

    def share(self, num_languages: int) -> int:
        """How many training rows are drawn of each language where so many train together."""
        assert self.recipe.max_train is not None
        return -(-self.recipe.max_train // num_languages)

    def note_few(self, together: bool) -> None:
        """Note languages that have fewer training rows than are to be drawn.

        Args:
            together: whether all languages train one model, or each its own.
        """
        counts = {name.removeprefix("train-"): own for name, own in self.counts.items() if name.startswith("train-")}
        if not counts or not self.samples("train"):
            return
        share = self.share(len(counts) if together else 1)
        few = [f"{code} {count:,}" for code, count in counts.items() if count < share]
        if few:
            self.notes.append(
                f"max_train={self.recipe.max_train:,} takes {share:,} training examples a language, and there are "
                f"fewer, which all train: {', '.join(few)}."
            )
            print(f"{self.task.name}: {self.notes[-1]}")

    def training_fingerprints(self) -> dict[str, dict[str, str]]:
        """Of the training and development rows, by language; nothing where nothing is trained."""
        names = {"training_data": "train-", "development_data": "dev-"}
        return {
            name: own
            for name, prefix in names.items()
            if (own := {key: value for key, value in self.data_fingerprints.items() if key.startswith(prefix)})
        }

    def test_fingerprints(self) -> dict[str, str]:
        """Of the test rows, by language."""
        return {code: self.data_fingerprints[f"test-{code}"] for code in self.tests}


def sample(rows: pa.Table, count: int, seed: int) -> pa.Table:
    """At most so many rows, drawn by a seed, in their order; a smaller sample of the same seed is part of a larger."""
    drawn = np.random.default_rng([seed, SAMPLING]).permutation(rows.num_rows)[:count]
    return rows.take(np.sort(drawn))


def known_labels(planned: Planned, tables: dict[tuple[Split, str], pa.Table]) -> tuple[str, ...]:
    """The labels of a task that predicts labels of a set: its own, or those of the training data.

    Raises:
        UserError: a label that neither the task nor its training data know.
    """
    kind, task = KINDS[planned.task.kind], planned.task
    used = {key: kind.labels(table) for key, table in tables.items() if task.kind != "retrieval" or key[0] != "test"}
    shown = set().union(*(labels for (split, _), labels in used.items() if split == "train"))
    known = tuple(task.labels) or tuple(sorted(shown))
    if task.kind == "sentences" and len(known) < 2:
        raise UserError(f"{task.name}: the training data have one label, {known[0]!r}; a classification takes two.")
    for (split, code), labels in used.items():
        strange = sorted(labels - set(known))
        if strange:
            raise UserError(
                f"{task.name}: the {split} data for {code} have the label {strange[0]!r}, which "
                + (f"is none of the task's ({', '.join(known)})." if task.labels else "no training example has.")
            )
        unseen = sorted(labels - shown)
        if unseen:
            planned.notes.append(f"{code}: no training example has {', '.join(unseen)}; these count as wrong")
            print(f"{task.name}, {planned.notes[-1]}.")
    return known
