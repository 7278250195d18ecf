"""MLQA (Lewis et al. 2020): questions about Wikipedia, in the language of the context; training is SQuAD's, in other
languages a machine translation of it.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, usual_split
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


def hub_configuration(split: Split, language: Language) -> str | None:
    """What the data set calls a language; of English it has no training part."""
    if language.code not in LANGUAGES or (split == "train" and language.code == ENGLISH):
        return None
    return f"mlqa-translate-train.{language.code}" if split == "train" else f"mlqa.{language.code}.{language.code}"


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
        hub_configuration,
        usual_split,
        lambda data, split, language: squad_rows(data, "facebook/mlqa", split),
        training=SQUAD,
    ),
)
