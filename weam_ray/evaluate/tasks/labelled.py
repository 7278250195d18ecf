"""A classification of the user's own: any labelled tab-separated file, of a domain for example, to train on first."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import forms, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.settings import Recipe
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.evaluate.tasks.reading import SENTENCES, read_rows

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
        return table.take([row for row in range(table.num_rows) if (row % 10 == 9) == (split == "dev")])

    return Task(
        name=path.stem,
        kind="sentences",
        metric="accuracy",
        recipe=Recipe(),
        layouts=(Layout("labelled file", files, read),),
        form=forms.LINES,
        score=official.accuracy,
    )


def read_labelled(file: Path) -> pa.Table:
    """Raises UserError for a heading without `text` and `label`, or a row that has too few cells or no label."""
    rows = read_rows(file)
    _, heading = next(rows, (0, []))
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
