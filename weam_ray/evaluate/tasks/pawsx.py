"""PAWS-X (Yang et al. 2019): are two sentences paraphrases?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, label_text, usual_split
from weam_ray.evaluate.tasks.reading import SENTENCES, read_sentences
from weam_ray.settings.evaluation import Recipe

LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")
LABELS = ("0", "1")
NO_LABEL = "-1"


def official_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    name = {"train": "train" if language.code == ENGLISH else "translated_train", "dev": "dev_2k", "test": "test_2k"}
    return [root / "pawsx" / "x-final" / language.code / f"{name[split]}.tsv"]


def read_official(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Columns id, sentence1, sentence2, label, under a heading."""
    return read_sentences(files, (1, 2), 3, quoted=False)


def xtreme_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    if split == "train" and language.code != ENGLISH:
        return [root / "pawsx" / "translate-train" / f"en-{language.code}-translated.tsv"]
    return [root / "pawsx" / f"{split}-{language.code}.tsv"]


def read_xtreme(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Two sentences and a label, which test files hide, as XTREME's script writes them with `csv`.

    A translation has the English sentences before it, and was not written with `csv`.
    """
    translated = split == "train" and language.code != ENGLISH
    if translated:
        return read_sentences(files, (2, 3), 4, quoted=False)
    return read_sentences(files, (0, 1), 2)


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    text = label_text(data, "label", LABELS)
    rows = [
        {"text": row["sentence1"], "pair": row["sentence2"], "label": text(row["label"]) or NO_LABEL} for row in data
    ]
    return pa.Table.from_pylist(rows, schema=SENTENCES)


TASK = Task(
    name="pawsx",
    kind="sentences",
    metric="accuracy",
    recipe=Recipe(learning_rate=2e-5, epochs=5, batch_size=32, max_length=128),
    layouts=(Layout("official", official_files, read_official), Layout("xtreme", xtreme_files, read_xtreme)),
    form=formats.LINES,
    score=official.accuracy,
    hub=Hub(
        "google-research-datasets/paws-x",
        lambda split, language: language.code if language.code in LANGUAGES else None,
        usual_split,
        from_hub,
    ),
    labels=LABELS,
    undecided=(NO_LABEL, "-"),
)
