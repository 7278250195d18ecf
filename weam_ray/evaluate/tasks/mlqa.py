"""MLQA (Lewis et al. 2020): questions about Wikipedia, in the language of the context; training is SQuAD's."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task
from weam_ray.evaluate.tasks.reading import read_squad
from weam_ray.evaluate.tasks.xquad import RECIPE, SQUAD, squad_rows, squad_train

LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    """English is developed on MLQA's own development part."""
    if split == "train":
        return [squad_train(root, language)]
    code = language.code
    return [root / "mlqa" / "MLQA_V1" / split / f"{split}-context-{code}-question-{code}.json"]


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    return read_squad(files, starts=split == "train")


TASK = Task(
    name="mlqa",
    reference="https://aclanthology.org/2020.acl-main.653/",
    licence="CC BY-SA 3.0",
    revision="MLQA_V1",
    kind="questions",
    metric="f1",
    recipe=RECIPE,
    layouts=(Layout("official", files, read),),
    form=formats.ANSWERS,
    score=official.mlqa,
    hub=Hub(
        "facebook/mlqa",
        lambda split, language: f"mlqa.{language.code}.{language.code}" if language.code in LANGUAGES else None,
        lambda split, language: {"train": None, "dev": "validation", "test": "test"}[split],
        lambda data, split, language: squad_rows(data, "facebook/mlqa", split),
        training=SQUAD,
    ),
)
