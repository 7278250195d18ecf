"""Tatoeba (Artetxe & Schwenk 2019): the English translation of a sentence among 1,000, by cosine, without training."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Pool, Split, Task
from weam_ray.evaluate.tasks.reading import CANDIDATES, QUERIES
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.text import text_lines

# of the data set google/xtreme
HUB_LANGUAGES = frozenset(
    [
        "afr",
        "ara",
        "ben",
        "bul",
        "cmn",
        "deu",
        "ell",
        "est",
        "eus",
        "fin",
        "fra",
        "heb",
        "hin",
        "hun",
        "ind",
        "ita",
        "jav",
        "jpn",
        "kat",
        "kaz",
        "kor",
        "mal",
        "mar",
        "nld",
        "pes",
        "por",
        "rus",
        "spa",
        "swh",
        "tam",
        "tel",
        "tgl",
        "tha",
        "tur",
        "urd",
        "vie",
    ]
)


def laser(root: Path, language: Language, side: str) -> Path:
    """`tatoeba.deu-eng.deu`, as LASER has them: line by line translations."""
    return root / "tatoeba" / f"tatoeba.{language.iso}-eng.{side}"


def xtreme(root: Path, language: Language, side: str) -> Path:
    """`de-en.de`, as XTREME leaves them: the English side is sorted, so that no one knows which line belongs where."""
    return root / "tatoeba" / f"{language.code}-en.{side}"


def read_parallel(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Raises UserError for two sides of different lengths."""
    lines, translations = map(text_lines, files)
    if len(lines) != len(translations):
        raise UserError(f"{files[0]} has {len(lines)} lines, and {files[1].name} {len(translations)}.")
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


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    names = list(map(str, range(len(data))))
    columns = {"id": names, "text": list(data["source_sentence"]), "targets": [[name] for name in names]}
    return pa.table(columns, schema=QUERIES)


def hub_candidates(data: Any) -> pa.Table:
    columns = {"id": list(map(str, range(len(data)))), "text": list(data["target_sentence"])}
    return pa.table(columns, schema=CANDIDATES)


TASK = Task(
    name="tatoeba",
    reference="https://aclanthology.org/Q19-1038/",
    licence="CC BY 2.0 FR",
    revision="LASER v1",
    kind="nearest",
    metric="accuracy",
    recipe=Recipe(max_length=512),
    layouts=(
        Layout(
            "LASER",
            lambda root, split, language: (
                [laser(root, language, language.iso), laser(root, language, "eng")] if split == "test" else []
            ),
            read_parallel,
        ),
        Layout(
            "xtreme",
            lambda root, split, language: [xtreme(root, language, language.code)] if split == "test" else [],
            read_hidden,
        ),
    ),
    form=formats.LINES,
    score=official.accuracy,
    pool=Pool(english, candidates),
    trained=False,
    hub=Hub(
        "google/xtreme",
        lambda split, language: f"tatoeba.{language.iso}" if language.iso in HUB_LANGUAGES else None,
        lambda split, language: "validation" if split == "test" else None,
        from_hub,
        candidates=hub_candidates,
    ),
    notes=(
        "The nearest English sentence by cosine of mean states; XTREME's script takes special tokens into the mean, "
        "which tatoeba.special_tokens=true does too. Without the key layer it is layer 8 of 12 and 14 of 24, as in "
        "XTREME's script, and of other encoders the one two thirds of the way up.",
    ),
)
