"""PAN-X, also WikiANN (Pan et al. 2017): names of persons, organisations and places."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, label_text, usual_split
from weam_ray.evaluate.tasks.reading import TOKENS, read_tagged
from weam_ray.settings.evaluation import Recipe

LANGUAGES = (
    *("af", "ar", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "he"),
    *("hi", "hu", "id", "it", "ja", "jv", "ka", "kk", "ko", "ml", "mr", "ms", "my", "nl"),
    *("pt", "ru", "sw", "ta", "te", "th", "tl", "tr", "ur", "vi", "yo", "zh"),
)
LABELS = ("B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O")


def xtreme_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    return [root / "panx" / f"{split}-{language.code}.tsv"]


def official_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    return [root / "panx" / language.code / split]


def read_official(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Words as `de:Berlin`."""
    table = read_tagged(files)
    words = [[word.removeprefix(f"{language.code}:") for word in row] for row in table["words"].to_pylist()]
    return pa.table({"words": words, "tags": table["tags"]}, schema=TOKENS)


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    text = label_text(data, "ner_tags")
    rows = [{"words": row["tokens"], "tags": [text(tag) for tag in row["ner_tags"]]} for row in data]
    return pa.Table.from_pylist(rows, schema=TOKENS)


TASK = Task(
    name="panx",
    reference="https://aclanthology.org/P17-1178/",
    licence="not stated",
    revision="splits of Rahimi et al. 2019",
    kind="tokens",
    metric="f1",
    recipe=Recipe(learning_rate=2e-5, epochs=10, batch_size=32, max_length=128),
    layouts=(
        Layout("xtreme", xtreme_files, lambda files, split, language: read_tagged(files)),
        Layout("official", official_files, read_official),
    ),
    form=formats.TAGS,
    score=official.tag_f1,
    hub=Hub(
        "google/xtreme",
        lambda split, language: f"PAN-X.{language.code}" if language.code in LANGUAGES else None,
        usual_split,
        from_hub,
    ),
    labels=LABELS,
)
