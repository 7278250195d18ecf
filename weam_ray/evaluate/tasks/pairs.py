"""What tasks about pairs of sentences share: XTREME's files of them, and rows of data sets."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Layout, Split, label_text
from weam_ray.evaluate.tasks.reading import SENTENCES, read_sentences


def xtreme_layout(task: str, rename: Callable[[str], str] = str) -> Layout:
    """The layout that XTREME's scripts leave of a task.

    Args:
        rename: gives the label that the task knows for one in the files.
    """
    return Layout("xtreme", partial(xtreme_files, task), partial(read_xtreme, rename))


def xtreme_files(task: str, root: Path, split: Split, language: Language) -> Sequence[Path]:
    if is_translated(split, language):
        return [root / task / "translate-train" / f"en-{language.code}-translated.tsv"]
    return [root / task / f"{split}-{language.code}.tsv"]


def read_xtreme(rename: Callable[[str], str], files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Read two sentences and a label, which test files hide, as XTREME's script writes them with `csv`.

    A translation has the English sentences before it, and was not written with `csv`.
    """
    if is_translated(split, language):
        return read_sentences(files, (2, 3), 4, rename=rename, quoted=False)
    return read_sentences(files, (0, 1), 2, rename=rename)


def is_translated(split: Split, language: Language) -> bool:
    """Whether the rows of a split are translations of the English ones, by machine."""
    return split == "train" and language.code != ENGLISH


def hub_rows(
    data: Any, columns: tuple[str, str], names: Sequence[str], undecided: str, rename: Callable[[str], str] = str
) -> pa.Table:
    """Rows of a data set with two columns of sentences and a column `label`.

    Args:
        names: the labels by their numbers, where the data set does not name them.
        undecided: stands for no label.
    """
    text = label_text(data, "label", names)
    first, second = columns
    rows = [{"text": row[first], "pair": row[second], "label": rename(text(row["label"]) or undecided)} for row in data]
    return pa.Table.from_pylist(rows, schema=SENTENCES)
