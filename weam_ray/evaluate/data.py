"""The data of a task in the form that is there: found, read, checked, and encoded once for all seeds and systems."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.languages import ENGLISH, Language, language, languages
from weam_ray.evaluate.settings import Recipe
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.storage import Attempt, Counts, Stage, StageOutput, StageSpec, StageStore

VERSION = 1
READING = ("max_length", "stride", "max_question", "max_train")  # settings of a recipe that change features
HUB = "Hugging Face data set"
NOWHERE = Path(os.devnull)  # under which there are no files


@dataclass(frozen=True)
class TaskData:
    """A task, and where its data are: a layout under a root, or a data set by name where `layout` is None."""

    task: Task
    root: Path
    layout: Layout | None

    @classmethod
    def found(cls, task: Task, root: Path | None, tested: bool = True) -> "TaskData":
        """The first layout of which a test file of some language is under the root; where nothing is `tested`, the
        English training file.

        Raises:
            UserError: none is, and the task has no data set by name.
        """
        place = root or NOWHERE
        parts: list[tuple[Split, Language]] = [("train", language(ENGLISH))]
        if tested:
            parts = [("test", entry) for entry in languages().values()]
        for layout in task.layouts:
            if any(layout.present(place, *part) for part in parts):
                return cls(task, place, layout)
        if task.hub is None:
            split: Split = "test" if tested else "train"
            entry = language("de" if tested else ENGLISH)
            forms = [f"{', '.join(map(str, own.files(place, split, entry)))} ({own.name})" for own in task.layouts]
            raise UserError(
                f"{task.name}: there are no data of this task under --data-root {root}; looked for {'; '.join(forms)}."
            )
        return cls(task, place, None)

    @property
    def form(self) -> str:
        """What the form that was found is called."""
        if self.layout is not None:
            return self.layout.name
        assert self.task.hub is not None
        return f"{HUB} {self.task.hub.name}"

    def has(self, split: Split, entry: Language) -> bool:
        """Whether there are such data; of a data set by name, whether it knows the language and the split."""
        if self.layout is not None:
            return bool(self.layout.present(self.root, split, entry))
        assert self.task.hub is not None
        return None not in (self.task.hub.configuration(split, entry), self.task.hub.split_name(split, entry))

    def test_languages(self) -> list[str]:
        """Codes of the languages with test files; of two codes for one language (`nb`, `no`) the first."""
        found: dict[str, str] = {}
        for code, entry in languages().items():
            if self.has("test", entry):
                found.setdefault(entry.nllb, code)
        return list(found.values())

    def read(self, split: Split, code: str) -> pa.Table:
        """The rows of a split.

        Raises:
            UserError: no such data, or not in their form.
        """
        entry = language(code)
        if self.layout is None:
            return self.from_hub(split, entry)
        return self.task.read(self.layout, self.root, split, entry)

    def from_hub(self, split: Split, entry: Language) -> pa.Table:
        import datasets

        hub = self.task.hub
        assert hub is not None
        configuration, name = hub.configuration(split, entry), hub.split_name(split, entry)
        if configuration is None or name is None:
            raise UserError(f"{self.task.name}: the data set {hub.name} has no {split} part for {entry.code}.")
        local = self.root / self.task.name
        place = str(local) if local.is_dir() else hub.name
        try:
            data = datasets.load_dataset(place, configuration, split=name)
        except Exception as error:  # the library raises what its parts raise
            reason = " ".join(str(error).split())[:300]
            raise UserError(
                f"{self.task.name}: the {split} part for {entry.code} of the data set {place} ({configuration}) cannot "
                f"be loaded: {reason}"
            ) from None
        return hub.convert(data, split, entry)

    def gold_file(self, code: str) -> Path:
        """Labels in XTREME's form, for test files that hide theirs."""
        return self.root / "labels" / self.task.name / f"test-{code}.{self.task.form.suffix}"

    def gold(self, rows: pa.Table, code: str) -> Any:
        """The test labels in the metric's form; None where they are hidden and no file has them."""
        own = KINDS[self.task.kind].gold(rows)
        if own is None and self.gold_file(code).is_file():
            return self.task.form.read_labels(self.gold_file(code))
        return own


@dataclass(frozen=True)
class Part:
    """One split of a task in one language, with the labels that its task knows."""

    data: TaskData
    split: Split
    codes: tuple[str, ...]

    @cached_property
    def rows(self) -> pa.Table:
        return pa.concat_tables([self.data.read(self.split, code) for code in self.codes])

    @property
    def training(self) -> bool:
        return self.split == "train"

    def spec(self, recipe: Recipe, labels: Sequence[str], tokenizer_fingerprint: str) -> StageSpec:
        """What the features depend on: the rows themselves, the tokenizer, and settings of reading."""
        task = self.data.task
        return StageSpec(
            "features",
            VERSION,
            {
                "kind": task.kind,
                "training": self.training,
                "labels": list(labels),
                **{key: getattr(recipe, key) for key in READING},
            },
            {"rows": table_fingerprint(self.rows), "tokenizer": tokenizer_fingerprint},
        )

    def encode(self, store: StageStore, recipe: Recipe, labels: Sequence[str], model: str, fingerprint: str) -> Stage:
        """The stage of rows and features, built unless it is there."""

        def build(attempt: Attempt) -> StageOutput:
            from transformers import AutoTokenizer

            rows = self.rows.slice(0, recipe.max_train) if self.training and recipe.max_train else self.rows
            features, rejected = KINDS[self.data.task.kind].features(
                rows, AutoTokenizer.from_pretrained(model), recipe, labels, self.training
            )
            files = [
                attempt.write_arrow("rows", "rows", rows),
                attempt.write_arrow("features", "features", features if self.training else by_length(features)),
            ]
            return StageOutput(files, Counts(rows.num_rows, rows.num_rows - sum(rejected.values()), rejected))

        return store.build(self.spec(recipe, labels, fingerprint), build, say=lambda line: None)


def by_length(features: pa.Table) -> pa.Table:
    """Features with those of like length beside each other, so that batches hold little padding."""
    if "input_ids" not in features.column_names:
        return features
    lengths = [len(ids) for ids in features["input_ids"].to_pylist()]
    return features.take(sorted(range(len(lengths)), key=lengths.__getitem__))


def table_fingerprint(table: pa.Table) -> str:
    """16 hexadecimal digits of the SHA-256 of a table's rows."""
    told = hashlib.sha256()
    for row in table.to_pylist():
        told.update(repr(row).encode())
    return told.hexdigest()[:16]
