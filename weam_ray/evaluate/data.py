"""The data of a task in the form that is there: found, read and checked."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.errors import UserError
from weam_ray.evaluate.formats import all_blank, check_counts
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.languages import ENGLISH, Language, language, languages
from weam_ray.evaluate.tasks.base import Layout, Split, Task

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
        folder = root or NOWHERE
        looked_for: list[tuple[Split, Language]] = [("train", language(ENGLISH))]
        if tested:
            looked_for = [("test", entry) for entry in languages().values()]
        for layout in task.layouts:
            others = layout.codes(folder) if tested and layout.codes is not None else ()
            if others or any(layout.present(folder, split, entry) for split, entry in looked_for):
                return cls(task, folder, layout)
        if task.hub is None:
            example: Split = "test" if tested else "train"
            entry = language("de" if tested else ENGLISH)
            examples = [
                f"{', '.join(map(str, layout.files(folder, example, entry)))} ({layout.name})"
                for layout in task.layouts
            ]
            under = "" if root is None else f" under --data-root {root}"
            raise UserError(f"{task.name}: there are no data of this task{under}; looked for {'; '.join(examples)}.")
        return cls(task, folder, None)

    @property
    def layout_name(self) -> str:
        """The name of the layout, or of the data set."""
        if self.layout is not None:
            return self.layout.name
        assert self.task.hub is not None
        return f"{HUB} {self.task.hub.name}"

    def has(self, split: Split, entry: Language) -> bool:
        """Whether there are such data; of a data set by name, whether it knows the language and the split."""
        if self.layout is not None:
            return bool(self.layout.present(self.root, split, entry))
        assert self.task.hub is not None
        return self.task.hub.data_set(split, entry) is not None

    def test_languages(self) -> list[str]:
        """Codes of the languages with test files; of two codes for one language (`nb`, `no`) the first."""
        found: dict[str, str] = {}
        for code, entry in languages().items():
            if self.has("test", entry):
                found.setdefault(entry.nllb, code)
        if self.layout is not None and self.layout.codes is not None:
            for code in self.layout.codes(self.root):
                found.setdefault(language(code).nllb, code)
        return list(found.values())

    def tested(self, asked: Sequence[str]) -> tuple[str, ...]:
        """English first, where there is test data for it, then the languages that are asked for, or all that have some.

        Raises:
            UserError: a language without test data.
        """
        codes = [language(code).code for code in asked] or self.test_languages()
        for code in codes:
            if code != ENGLISH and not self.has("test", language(code)):
                known = ", ".join(self.test_languages()) or "none"
                raise UserError(
                    f"{self.task.name}: no test data for {code} in the form '{self.layout_name}'; there are data for "
                    f"{known}."
                )
        first = [ENGLISH] if self.has("test", language(ENGLISH)) else []
        found = tuple(dict.fromkeys([*first, *(code for code in codes if code != ENGLISH)]))
        if not found:
            raise UserError(f"{self.task.name}: there is nothing to test; it has no test data for English itself.")
        return found

    def read(self, split: Split, code: str) -> pa.Table:
        """Read the rows of a split.

        Raises:
            UserError: no such data, or not in their form.
        """
        return self.decided(split, code)[0]

    def decided(self, split: Split, code: str) -> tuple[pa.Table, int]:
        """Read the rows of a split, and count those that are left out because annotators agreed on no label for them.

        The labels of a test set may be in a file beside it. Where no row of it has a label, they are hidden.
        """
        rows, undecided = self.whole(split, code), self.task.undecided
        if not undecided:
            return rows, 0
        labels = rows["label"].to_pylist()
        if split == "test" and set(labels) <= {*undecided, None}:
            rows = rows.set_column(rows.column_names.index("label"), "label", pa.nulls(rows.num_rows, pa.string()))
            labels, file = self.labels_beside(code)
            if file is not None:
                check_counts(labels, KINDS[self.task.kind].blank(rows), str(file))
        kept = [number for number, label in enumerate(labels) if label not in undecided]
        return (rows.take(kept), len(labels) - len(kept)) if kept else (rows, 0)

    def whole(self, split: Split, code: str) -> pa.Table:
        """Read all rows of a split.

        Raises:
            UserError: no such data, or not in their form; names that are given twice where predictions are by name.
        """
        entry = language(code)
        rows = (
            self.from_hub(split, entry) if self.layout is None else self.task.read(self.layout, self.root, split, entry)
        )
        if split != "train" and "id" in rows.column_names:
            names = Counter(rows["id"].to_pylist())
            twice = [name for name, count in names.items() if count > 1]
            if twice:
                raise UserError(
                    f"{self.task.name}: the {split} data for {code} have {len(twice)} names more than once, such as "
                    f"{twice[0]!r}; predictions are by name, so leave the others out, or give each its own."
                )
        return rows

    def from_hub(self, split: Split, entry: Language) -> pa.Table:
        """The rows of a split of a data set by name.

        Raises:
            UserError: it cannot be loaded, or lacks a column.
        """
        hub = self.task.hub
        assert hub is not None
        data = self.load_hub(split, entry)
        try:
            rows = hub.convert(data, split, entry)
        except KeyError as error:
            raise UserError(
                f"{self.task.name}: the data set {hub.name} has no column {error}; its {split} part for {entry.code} "
                f"has {', '.join(data.column_names)}."
            ) from None
        if split == "dev" and hub.apart:
            tested = self.from_hub("test", entry)["id"].combine_chunks()
            rows = rows.filter(pc.invert(pc.is_in(rows["id"], tested)))
        return rows

    def load_hub(self, split: Split, entry: Language) -> Any:
        """The data set that has a split: a copy in the task's folder, or in one of its own name, else by name."""
        import datasets

        hub = self.task.hub
        assert hub is not None
        named = hub.data_set(split, entry)
        if named is None:
            raise UserError(f"{self.task.name}: the data set {hub.name} has no {split} part for {entry.code}.")
        name, configuration, split_name = named
        local = self.root / (self.task.name if name == hub.name else name.rpartition("/")[2])
        path = str(local) if local.is_dir() else name
        try:
            return datasets.load_dataset(path, configuration, split=split_name)
        except Exception as error:  # the library raises what its parts raise
            reason = " ".join(str(error).split())[:300]
            raise UserError(
                f"{self.task.name}: the {split} part for {entry.code} of the data set {path} ({configuration}) cannot "
                f"be loaded: {reason}"
            ) from None

    def candidate_files(self, code: str) -> tuple[Path, ...]:
        """The files with the candidates for queries in a language; none of a data set by name.

        Raises:
            UserError: a file that is not there.
        """
        assert self.task.pool is not None
        if self.layout is None:
            return ()
        files = tuple(self.task.pool.files(self.root, language(code)))
        for file in files:
            if not file.is_file():
                raise UserError(f"{self.task.name}: there is no file {str(file)!r} with the candidates for {code}.")
        return files

    def candidates(self, code: str) -> Iterator[pa.Table]:
        """The candidates for queries in a language, some at a time."""
        assert self.task.pool is not None
        if self.layout is not None:
            yield from self.task.pool.read(self.candidate_files(code))
        elif self.task.hub is not None and self.task.hub.candidates is not None:
            yield self.task.hub.candidates(self.load_hub("test", language(code)))

    def labels_beside(self, code: str) -> tuple[Any, Path | None]:
        """The labels of a test file that hides its own, and their file: in XTREME's form, or where the task keeps them.

        Without such a file, and where its labels are blank, there are none.
        """
        files = [self.root / "labels" / self.task.name / f"test-{code}.{self.task.form.suffix}"]
        if self.task.hidden_labels is not None:
            files.append(self.task.hidden_labels(self.root, language(code)))
        for file in files:
            if file.is_file() and not all_blank(found := self.task.form.read_labels(file)):
                return found, file
        return [], None

    def gold(self, rows: pa.Table, code: str) -> Any:
        """The test labels in the metric's form; None where they are hidden and no file has them.

        Raises:
            UserError: some rows have labels and others have none, or a file has labels of other rows.
        """
        kind = KINDS[self.task.kind]
        hidden = num_hidden(rows[kind.gold_column])
        if 0 < hidden < rows.num_rows:
            raise UserError(f"{self.task.name}: {hidden} of the {rows.num_rows} test rows for {code} have no label.")
        if not hidden:
            return kind.gold(rows)
        found, file = self.labels_beside(code)
        if file is None:
            return None
        found = [label for label in found if label not in self.task.undecided] if self.task.undecided else found
        check_counts(found, kind.blank(rows), str(file))
        hidden = sum(map(all_blank, found.values())) if isinstance(found, dict) else 0
        if hidden:
            raise UserError(f"{file}: {hidden} of {len(found)} labels are blank; leave all blank, or none.")
        return found


def num_hidden(labels: pa.ChunkedArray) -> int:
    """Count the rows without a label: null, or a list without a text in it."""
    if not pa.types.is_list(labels.type):
        return labels.null_count
    return sum(not any(texts or ()) for texts in labels.to_pylist())
