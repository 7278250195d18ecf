"""MultiCheckList (Ruder et al. 2021, section 5): questions from templates that each test one ability, in 50 languages.

Its suites come as pickles, which are not read, and as files in SQuAD's form, which have no answers. These are
predicted, and scored where files of answers lie beside them, as for other tasks with hidden labels. Training is
SQuAD's.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import Language
from weam_ray.evaluate.tasks.base import Layout, Split, Task
from weam_ray.evaluate.tasks.reading import read_squad
from weam_ray.evaluate.tasks.xquad import RECIPE, squad_train

SUITE = "_squad_suite.json"


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    if split == "train":
        return [squad_train(root, language)]
    if split == "dev":
        return [root / "squad" / "dev-v1.1.json"]
    return [root / "multichecklist" / "lang_suites" / f"{language.code}{SUITE}"]


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    return read_squad(files, starts=split == "train")


TASK = Task(
    name="multichecklist",
    reference="https://aclanthology.org/2021.emnlp-main.802/",
    licence="not stated",
    revision="XTREME-R",
    kind="questions",
    metric="exact_match",
    recipe=RECIPE,
    layouts=(Layout("XTREME-R", files, read),),
    form=formats.ANSWERS,
    score=official.squad,
    notes=(
        "Exact match by question, as SQuAD cleans answers; XTREME-R reports error rates by test, of cases of one or "
        "more questions, cleaned by language.",
    ),
)
