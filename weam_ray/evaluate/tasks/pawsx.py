"""PAWS-X (Yang et al. 2019): are two sentences paraphrases?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, usual_split
from weam_ray.evaluate.tasks.pairs import hub_rows, xtreme_layout
from weam_ray.evaluate.tasks.reading import read_sentences
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


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    return hub_rows(data, ("sentence1", "sentence2"), LABELS, NO_LABEL)


TASK = Task(
    name="pawsx",
    reference="https://aclanthology.org/D19-1382/",
    licence="free for any use, naming Google LLC",
    revision="x-final",
    kind="sentences",
    metric="accuracy",
    recipe=Recipe(learning_rate=2e-5, epochs=5, batch_size=32, max_length=128),
    layouts=(Layout("official", official_files, read_official), xtreme_layout("pawsx")),
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
