"""XCOPA (Ponti et al. 2020): which of two sentences is the cause, or the effect, of a premise?"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task
from weam_ray.evaluate.tasks.reading import CHOICES, json_lines
from weam_ray.settings.evaluation import Recipe

QUESTION = re.compile(r" What was the \w+\?$")
LANGUAGES = ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    """As XTREME's script leaves them: English is COPA (Roemmele et al. 2011), whose development part tests it too."""
    name = {"train": "train", "dev": "val", "test": "val" if language.code == ENGLISH else "test"}[split]
    return [root / "xcopa" / f"{name}-{language.code}.jsonl"]


def official_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    name = {"train": "train", "dev": "val", "test": "val" if language.code == ENGLISH else "test"}[split]
    return [root / "xcopa" / language.code / f"{name}.{language.code}.jsonl"]


def convert(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"{row['premise']} What was the {row['question']}?",
            "choices": [row["choice1"], row["choice2"]],
            "label": choice_of(row),
        }
        for row in rows
    ]


def premise_of(prompt: str) -> str:
    """A prompt without the question that `convert` puts to it."""
    return QUESTION.sub("", prompt)


def choice_of(row: dict[str, Any]) -> int | None:
    """The label of a row, from 0; None where it is hidden, for which data sets have -1.

    Raises:
        UserError: it is no number of a choice.
    """
    label = row.get("label")
    if label is None or str(label) == "-1":
        return None
    if str(label) not in ("0", "1"):
        raise UserError(f"xcopa: the row {row} has the label {label!r}; 0 or 1 is expected, the number of a choice.")
    return int(label)


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Keys premise, question (`cause` or `effect`), choice1, choice2, label; all labels 0: they are hidden."""
    try:
        found = convert(row for file in files for _, row in json_lines(file))
    except KeyError as error:
        raise UserError(
            f"{files[0]}: the keys premise, question, choice1 and choice2 are expected: no {error}."
        ) from None
    if not any(row["label"] for row in found):
        found = [{**row, "label": None} for row in found]
    return pa.Table.from_pylist(found, schema=CHOICES)


TASK = Task(
    name="xcopa",
    reference="https://aclanthology.org/2020.emnlp-main.185/",
    licence="CC BY 4.0",
    revision="of 2020, without a number",
    kind="choice",
    metric="accuracy",
    recipe=Recipe(learning_rate=2e-5, epochs=5, batch_size=32, max_length=128),
    large={"learning_rate": 3e-5},
    layouts=(Layout("xtreme", files, read), Layout("official", official_files, read)),
    form=formats.CHOICES,
    score=official.accuracy,
    hub=Hub(
        "cambridgeltl/xcopa",
        lambda split, language: language.code if language.code in LANGUAGES else None,
        lambda split, language: {"train": None, "dev": "validation", "test": "test"}[split],
        lambda data, split, language: pa.Table.from_pylist(convert(data), schema=CHOICES),
        training=("aps/super_glue", "copa"),
    ),
    text_of_prompt=premise_of,
    notes=(
        "XTREME-R trains on Social IQA before COPA: --intermediate siqa does so.",
        "English is scored on COPA's development part, which also chooses the epoch.",
    ),
)
