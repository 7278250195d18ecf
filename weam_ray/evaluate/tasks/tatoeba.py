"""Tatoeba (Artetxe & Schwenk 2019): the English translation of a sentence among 1,000, by cosine, without training."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.evaluate import forms, official
from weam_ray.evaluate.forms import text_lines
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.settings import Recipe
from weam_ray.evaluate.tasks.base import Layout, Pool, Split, Task
from weam_ray.evaluate.tasks.reading import CANDIDATES, QUERIES


def laser(root: Path, language: Language, side: str) -> Path:
    """`tatoeba.deu-eng.deu`, as LASER has them: line by line translations."""
    return root / "tatoeba" / f"tatoeba.{language.iso}-eng.{side}"


def xtreme(root: Path, language: Language, side: str) -> Path:
    """`de-en.de`, as XTREME leaves them: the English side is sorted, so that no one knows which line belongs where."""
    return root / "tatoeba" / f"{language.code}-en.{side}"


def read_parallel(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    lines = text_lines(files[0])
    names = list(map(str, range(len(lines))))
    return pa.table({"id": names, "text": lines, "targets": [[name] for name in names]}, schema=QUERIES)


def read_hidden(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    lines = text_lines(files[0])
    return pa.table({"id": list(map(str, range(len(lines)))), "text": lines, "targets": [None] * len(lines)}, QUERIES)


def english(root: Path, language: Language) -> Sequence[Path]:
    first = laser(root, language, "eng")
    return [first if first.is_file() else xtreme(root, language, "en")]


def candidates(files: Sequence[Path]) -> Iterator[pa.Table]:
    lines = text_lines(files[0])
    yield pa.table({"id": list(map(str, range(len(lines)))), "text": lines}, schema=CANDIDATES)


TASK = Task(
    name="tatoeba",
    kind="nearest",
    metric="accuracy",
    recipe=Recipe(max_length=512),
    layouts=(
        Layout(
            "LASER",
            lambda root, split, language: [laser(root, language, language.iso)] if split == "test" else [],
            read_parallel,
        ),
        Layout(
            "xtreme",
            lambda root, split, language: [xtreme(root, language, language.code)] if split == "test" else [],
            read_hidden,
        ),
    ),
    form=forms.LINES,
    score=lambda labels, predictions, language: official.accuracy(labels, predictions),
    pool=Pool(english, candidates),
    trained=False,
    notes=("Mean-pooled states of the layer 7/12 of the way up, as XTREME's script; cosine; to English.",),
)
