"""TyDiQA-GoldP (Clark et al. 2020): questions asked without knowing the answer, about the paragraph that has it.

Its development part is the test set; a tenth of the English training questions develops.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task
from weam_ray.evaluate.tasks.reading import every_tenth_develops, read_squad
from weam_ray.evaluate.tasks.xquad import RECIPE, squad_rows

HUB_NAMES = {
    **{"ar": "arabic", "bn": "bengali", "en": "english", "fi": "finnish", "id": "indonesian"},
    **{"ko": "korean", "ru": "russian", "sw": "swahili", "te": "telugu"},
}


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    folder, code = root / "tydiqa", language.code
    if split == "test":
        return [folder / "tydiqa-goldp-v1.1-dev" / f"tydiqa.goldp.{code}.dev.json"]
    if code == ENGLISH or split == "dev":
        return [folder / "tydiqa-goldp-v1.1-train" / f"tydiqa.goldp.{code}.train.json"]
    return [folder / "translate-train" / f"tydiqa.translate.train.en-{code}.json"]


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    table = read_squad(files, starts=split == "train")
    return table if split == "test" or language.code != ENGLISH else every_tenth_develops(table, split)


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    name = HUB_NAMES[language.code]
    rows = (row for row in data if row["id"].startswith(name))
    table = squad_rows(rows, "google-research-datasets/tydiqa", split)
    return table if split == "test" or language.code != ENGLISH else every_tenth_develops(table, split)


TASK = Task(
    name="tydiqa",
    reference="https://aclanthology.org/2020.tacl-1.30/",
    licence="Apache 2.0",
    revision="GoldP 1.1",
    kind="questions",
    metric="f1",
    recipe=RECIPE,
    layouts=(Layout("xtreme", files, read),),
    form=formats.ANSWERS,
    score=official.squad,
    hub=Hub(
        "google-research-datasets/tydiqa",
        lambda split, language: "secondary_task" if language.code in HUB_NAMES else None,
        lambda split, language: "validation" if split == "test" else "train",
        from_hub,
    ),
    notes=("Every tenth English training question develops, since the development part is the test set.",),
)
