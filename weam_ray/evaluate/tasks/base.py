"""What a task is: where its files may lie and how they are read, what kind of prediction it asks for, its metric."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.formats import FileForm
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.measure.ratio import Parts
from weam_ray.settings.evaluation import Recipe

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Layout:
    """One way in which the files of a task lie under the data root.

    `files` gives the files of a split in a language that would be read, whether they are there or not; `read` gives
    their rows in the schema of the task's kind, labels null where the files hide them. Both take the data root too,
    since some tasks train on another's files. `codes` names the languages with test files that the table lacks.
    """

    name: str
    files: Callable[[Path, Split, Language], Sequence[Path]]
    read: Callable[[Sequence[Path], Split, Language], pa.Table]
    note: str = ""
    codes: Callable[[Path], Sequence[str]] | None = None

    def present(self, root: Path, split: Split, language: Language) -> list[Path]:
        """The files, if all of them are there."""
        files = list(self.files(root, split, language))
        return files if files and all(file.is_file() for file in files) else []


@dataclass(frozen=True)
class Hub:
    """A data set by name, as `datasets.load_dataset` finds it: on the hub, in its cache, or as a local copy.

    `configuration` and `split_name` give what the data set calls a language and a split, None where it has none;
    `convert` makes rows of the task's kind. `training` is another data set, and its configuration, that has the English
    splits `train` and `validation` where this one has none; `apart` leaves out of development what English tests.
    `candidates` gives those of a retrieval task.
    """

    name: str
    configuration: Callable[[Split, Language], str | None]
    split_name: Callable[[Split, Language], str | None]
    convert: Callable[[Any, Split, Language], pa.Table]
    training: tuple[str, str] | None = None
    apart: bool = False
    candidates: Callable[[Any], pa.Table] | None = None

    def data_set(self, split: Split, language: Language) -> tuple[str, str, str] | None:
        """Name the data set, its configuration and its split that have a split in a language."""
        configuration, name = self.configuration(split, language), self.split_name(split, language)
        if configuration is not None and name is not None:
            return self.name, configuration, name
        if self.training is not None and language.code == ENGLISH:
            return *self.training, "train" if split == "train" else "validation"
        return None


def usual_split(split: Split, language: Language) -> str:
    """What most data sets call a split."""
    return {"train": "train", "dev": "validation", "test": "test"}[split]


def label_text(data: Any, column: str, names: Sequence[str] = ()) -> Callable[[Any], str | None]:
    """What gives the text of a label in a column of a data set, where it stands as text, or as a number from 0.

    Numbers are of the names that the column has, else of `names`. No label, None or -1, is None.
    """
    feature = data.features[column]
    known = getattr(getattr(feature, "feature", feature), "names", None) or names

    def text(label: Any) -> str | None:
        if label is None or label == -1:
            return None
        return label if isinstance(label, str) else str(known[label])

    return text


@dataclass(frozen=True)
class Pool:
    """The candidates of a retrieval task: the files for queries in a language, and their rows, some at a time."""

    files: Callable[[Path, Language], Sequence[Path]]
    read: Callable[[Sequence[Path]], Iterator[pa.Table]]


LARGE = 24  # layers of what XTREME's scripts treat as a large encoder


@dataclass(frozen=True)
class Task:
    """A task of evaluation.

    `reference` is where the data are described, `licence` what they may be used under, and `revision` their release,
    where it has a name.
    `score` gives the official metrics, of which `metric` is the one that tables show; `labels` are those that it
    knows, empty where the training data say; `undecided` is what stands in place of one for rows on which annotators
    did not agree, which are left out; `hidden_labels` are where the files keep test labels apart. `large` are the keys
    of the recipe that XTREME has otherwise for encoders as large as XLM-R large. `text_of_prompt` takes off a prompt
    what is no text of the data, but was put to it, before the text is looked for in what a model has seen.
    `counted` is what else changes the result of a run, and so its fingerprint.
    """

    name: str
    kind: str
    metric: str
    recipe: Recipe
    layouts: tuple[Layout, ...]
    form: FileForm
    score: Callable[[Any, Any, str], dict[str, Parts]]
    reference: str = ""
    licence: str = ""
    revision: str = ""
    hub: Hub | None = None
    labels: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    pool: Pool | None = None
    hidden_labels: Callable[[Path, Language], Path] | None = None
    trained: bool = True
    large: Mapping[str, Any] = field(default_factory=dict)
    text_of_prompt: Callable[[str], str] = str
    notes: tuple[str, ...] = field(default=())
    counted: Mapping[str, Any] = field(default_factory=dict)

    def recipe_for(self, num_layers: int) -> Recipe:
        """The default recipe for an encoder of so many layers."""
        return self.recipe.model_copy(update=self.large) if num_layers >= LARGE else self.recipe

    def read(self, layout: Layout, root: Path, split: Split, language: Language) -> pa.Table:
        """The rows of a split.

        Raises:
            UserError: the files are not there, or not in their form.
        """
        files = layout.present(root, split, language)
        if not files:
            wanted = ", ".join(map(str, layout.files(root, split, language))) or f"a {split} file"
            raise UserError(f"{self.name}: no {split} data for {language.code}: {wanted} is expected ({layout.name}).")
        try:
            table = layout.read(files, split, language)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:  # of the schema that the rows must have
            raise UserError(
                f"{self.name}: the {split} data for {language.code} have a value of another type than is expected: "
                f"{error} ({files[0]})."
            ) from None
        if not table.num_rows:
            raise UserError(f"{self.name}: the {split} data for {language.code} are empty: {files[0]}.")
        return table


def rejected_row(file: Path, number: int, what: str) -> UserError:
    return UserError(f"{file}, row {number}: {what}.")
