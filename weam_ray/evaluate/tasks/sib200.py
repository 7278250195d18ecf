"""SIB-200 (Adelani et al. 2024): the topic of a sentence, the same sentences in 205 languages.

A language's own training file is a human translation of the English one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, label_text, usual_split
from weam_ray.evaluate.tasks.reading import SENTENCES, read_sentences
from weam_ray.settings.evaluation import Recipe

NOT_THERE = frozenset(("bbc", "bzd", "cni", "hch", "mad", "nah", "nij", "oto", "pcm", "shp", "tar"))  # of the table
LABELS = ("entertainment", "geography", "health", "politics", "science/technology", "sports", "travel")


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    return [root / "sib200" / language.nllb / f"{split}.tsv"]


def other_languages(root: Path) -> Sequence[str]:
    """Languages and scripts that have no code of XTREME's kind, such as `ace_Arab`, by their folders."""
    return sorted(file.parent.name for file in (root / "sib200").glob("*_*/test.tsv"))


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Columns index_id, category, text, under a heading, as `csv` writes them."""
    return read_sentences(files, (2,), 1)


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    category = label_text(data, "category", LABELS)
    rows = [{"text": row["text"], "pair": None, "label": category(row["category"])} for row in data]
    return pa.Table.from_pylist(rows, schema=SENTENCES)


TASK = Task(
    name="sib200",
    reference="https://aclanthology.org/2024.eacl-long.14/",
    licence="CC BY-SA 4.0",
    revision="of 2024, without a number",
    kind="sentences",
    metric="accuracy",
    recipe=Recipe(learning_rate=2e-5, epochs=20, batch_size=32, max_length=128),
    layouts=(Layout("official", files, read, codes=other_languages),),
    form=formats.LINES,
    score=official.accuracy,
    hub=Hub(
        "Davlan/sib200",
        lambda split, language: None if language.code in NOT_THERE else language.nllb,
        usual_split,
        from_hub,
    ),
    labels=LABELS,
    notes=("SIB-200 is no part of XTREME: 20 epochs at 2e-5, as its authors fine-tune.",),
)
