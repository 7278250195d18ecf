"""XNLI (Conneau et al. 2018): does a premise entail a hypothesis, contradict it, or neither?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, rejected_row, usual_split
from weam_ray.evaluate.tasks.pairs import hub_rows, xtreme_layout
from weam_ray.evaluate.tasks.reading import SENTENCES, read_rows, read_sentences
from weam_ray.settings.evaluation import Recipe

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
LABELS = ("contradiction", "entailment", "neutral")
HUB_LABELS = ("entailment", "neutral", "contradiction")
NO_CONSENSUS = "-"  # in place of the label where annotators did not agree, as in SNLI and MultiNLI; in data sets -1


def rename(label: str) -> str:
    return "contradiction" if label == "contradictory" else label


def official_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    """The development and the test file hold all languages."""
    if language.code not in LANGUAGES:
        return []
    if split == "train":
        return [root / "xnli" / "XNLI-MT-1.0" / "multinli" / f"multinli.train.{language.code}.tsv"]
    return [root / "xnli" / "XNLI-1.0" / f"xnli.{split}.tsv"]


def read_official(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """`multinli.train.LANG.tsv`: two texts and a label; `xnli.SPLIT.tsv`: language 0, label 1, texts 6 and 7."""
    if split == "train":
        return read_sentences(files, (0, 1), 2, rename=rename, quoted=False)
    rows = []
    for number, cells in read_rows(files[0], quoted=False):
        if cells[0] == language.code:
            if len(cells) < 8:
                raise rejected_row(files[0], number, f"8 cells are expected, not {len(cells)}")
            rows.append({"text": cells[6], "pair": cells[7], "label": rename(cells[1].strip())})
    return pa.Table.from_pylist(rows, schema=SENTENCES)


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    return hub_rows(data, ("premise", "hypothesis"), HUB_LABELS, NO_CONSENSUS, rename)


TASK = Task(
    name="xnli",
    reference="https://aclanthology.org/D18-1269/",
    licence="CC BY-NC 4.0",
    revision="XNLI 1.0",
    kind="sentences",
    metric="accuracy",
    recipe=Recipe(learning_rate=2e-5, epochs=5, batch_size=32, max_length=128),
    large={"learning_rate": 3e-5},
    layouts=(Layout("official", official_files, read_official), xtreme_layout("xnli", rename)),
    form=formats.LINES,
    score=official.accuracy,
    hub=Hub(
        "facebook/xnli",
        lambda split, language: language.code if language.code in LANGUAGES else None,
        usual_split,
        from_hub,
    ),
    labels=LABELS,
    undecided=(NO_CONSENSUS, "-1"),
)
