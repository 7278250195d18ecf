"""A classification of the user's own: any labelled tab-separated file, of a domain for example, to train on first."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.evaluate.tasks.reading import SENTENCES, every_tenth_develops, read_rows
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.text import read_text

COLUMNS = {"text": "text", "label": "label"}


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
        table = read_labelled(files[0], optional=("pair",))
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


def read_labelled(file: Path, columns: Mapping[str, str] = COLUMNS, optional: Sequence[str] = ()) -> pa.Table:
    """Read the rows of a tab-separated file under a heading.

    Args:
        columns: what the heading calls `text` and `label`, and `pair` where there are second texts.
        optional: columns that are read by their own name where the heading has it.

    Raises:
        UserError: a heading without these columns, or a row that has too few cells or no label.
    """
    wanted = tuple(columns.values())
    (_, heading), *rows = rows_of(file, wanted) or [(0, [])]
    if not set(wanted) <= set(heading):
        names = [repr(name) for name in wanted]
        told = f"{', '.join(names[:-1])} and {names[-1]}"
        raise UserError(f"{file}: the heading must name the columns {told}, but it is {heading}.")
    columns = {**columns, **{name: name for name in optional if name in heading}}
    twice = [name for name in columns.values() if heading.count(name) > 1]
    if twice:
        raise UserError(f"{file}: the heading names the column {twice[0]!r} more than once: {heading}.")
    places = {column: heading.index(name) for column, name in columns.items()}
    found = []
    for number, cells in rows:
        if len(cells) != len(heading):
            raise UserError(f"{file}, row {number}: {len(heading)} cells are expected, not {len(cells)}.")
        row = {column: cells[place] for column, place in places.items()}
        if not row["label"].strip():
            raise UserError(f"{file}, row {number}: there is no label.")
        found.append({"pair": None, **row, "label": row["label"].strip()})
    return pa.Table.from_pylist(found, schema=SENTENCES)


def rows_of(file: Path, wanted: Collection[str]) -> list[tuple[int, list[str]]]:
    """Number, from 1, and cells of the rows of a file, the heading first.

    A line is a row, and quotes are those of `read_rows`, if so the heading has the columns that are `wanted` and all
    rows are as long as it. Else, if it is so when the whole file is read as `csv` reads it, cells have quotes around
    them and may hold tabs and ends of lines.
    """
    lines = list(read_rows(file))
    if not even(lines, wanted):
        try:
            rows = csv.reader(io.StringIO(read_text(file), newline=""), delimiter="\t", strict=True)
            whole = [(number, row) for number, row in enumerate(rows, 1) if row not in ([], [""])]
        except csv.Error:
            return lines
        if even(whole, wanted):
            return whole
    return lines


def even(rows: Sequence[tuple[int, Sequence[str]]], wanted: Collection[str]) -> bool:
    """Whether the first row is a heading that can be used, and all others are as long as it."""
    return set(wanted) <= set(rows[0][1] if rows else ()) and len({len(cells) for _, cells in rows}) == 1
