"""A classification of the user's own: any labelled tab-separated file, of a domain for example, to train on first."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.evaluate.tasks.reading import SENTENCES, every_tenth_develops, read_rows
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.text import read_text

COLUMNS = ("text", "label")


def task_of_file(given: str) -> Task:
    """The task of a file with a heading that names `text` and `label`, and `pair` for a second text.

    Every tenth row develops, the others train; of a folder, `train.tsv` and `dev.tsv` do.

    Raises:
        UserError: no such file.
    """
    path = Path(given).expanduser().absolute()
    folder = path.is_dir()
    if not (path / "train.tsv" if folder else path).is_file():
        raise UserError(f"--intermediate {given}: neither a task nor a tab-separated file, or a folder with train.tsv.")

    def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
        if language.code != ENGLISH or split == "test":
            return []
        return [path / f"{split}.tsv" if folder else path]

    def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
        table = read_labelled(files[0])
        if folder:
            return table
        return every_tenth_develops(table, split)

    return Task(
        name=path.stem,
        kind="sentences",
        metric="accuracy",
        recipe=Recipe(),
        layouts=(Layout("labelled file", files, read),),
        form=formats.LINES,
        score=official.accuracy,
    )


def read_labelled(file: Path) -> pa.Table:
    """Raises UserError for a heading without `text` and `label`, or a row that has too few cells or no label."""
    (_, heading), *rows = rows_of(file) or [(0, [])]
    for name in COLUMNS:
        if name not in heading:
            raise UserError(f"{file}: the heading must name the columns 'text' and 'label', but it is {heading}.")
    found = []
    for number, cells in rows:
        if len(cells) != len(heading):
            raise UserError(f"{file}, row {number}: {len(heading)} cells are expected, not {len(cells)}.")
        row = dict(zip(heading, cells, strict=True))
        if not row["label"].strip():
            raise UserError(f"{file}, row {number}: there is no label.")
        found.append({"text": row["text"], "pair": row.get("pair"), "label": row["label"].strip()})
    return pa.Table.from_pylist(found, schema=SENTENCES)


def rows_of(file: Path) -> list[tuple[int, list[str]]]:
    """Number, from 1, and cells of the rows of a file, the heading first.

    A line is a row, and quotes are those of `read_rows`, if so the heading is right and all rows are as long as it.
    Else, if it is so when the whole file is read as `csv` reads it, cells have quotes around them and may hold tabs and
    ends of lines.
    """
    lines = list(read_rows(file))
    if not even(lines):
        try:
            rows = csv.reader(io.StringIO(read_text(file), newline=""), delimiter="\t", strict=True)
            whole = [(number, row) for number, row in enumerate(rows, 1) if row not in ([], [""])]
        except csv.Error:
            return lines
        if even(whole):
            return whole
    return lines


def even(rows: Sequence[tuple[int, Sequence[str]]]) -> bool:
    """Whether the first row is a heading that can be used, and all others are as long as it."""
    return set(COLUMNS) <= set(rows[0][1] if rows else ()) and len({len(cells) for _, cells in rows}) == 1
