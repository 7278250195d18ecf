"""Social IQA (Sap et al. 2019), English: a question about a situation, with three answers; trained on before XCOPA."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.evaluate.tasks.reading import CHOICES, json_lines
from weam_ray.settings.evaluation import Recipe

ANSWERS = ("A", "B", "C")


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    name = {"train": "trn", "dev": "dev", "test": "dev"}[split]
    return [root / "siqa" / f"socialIQa_v1.4_{name}.jsonl"] if language.code == ENGLISH else []


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Keys context, question, answerA, answerB, answerC, correct."""
    try:
        rows = [
            {
                "prompt": f"{row['context']} {row['question']}",
                "choices": [row[f"answer{letter}"] for letter in ANSWERS],
                "label": ANSWERS.index(row["correct"]),
            }
            for file in files
            for _, row in json_lines(file)
        ]
    except (KeyError, ValueError) as error:
        raise UserError(f"{files[0]}: not in the form of Social IQA: {error}.") from None
    return pa.Table.from_pylist(rows, schema=CHOICES)


TASK = Task(
    name="siqa",
    reference="https://aclanthology.org/D19-1454/",
    licence="not stated",
    revision="1.4",
    kind="choice",
    metric="accuracy",
    recipe=Recipe(learning_rate=2e-5, epochs=5, batch_size=32, max_length=128),
    large={"learning_rate": 3e-5},
    layouts=(Layout("official", files, read),),
    form=formats.CHOICES,
    score=official.accuracy,
)
