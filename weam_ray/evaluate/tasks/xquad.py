"""XQuAD (Artetxe et al. 2020): questions about paragraphs of SQuAD, translated by people; training is SQuAD's.

Without SQuAD, XQuAD's own 48 English articles are split: 30 train, 6 develop, 12 test, the same articles in every
language. That is not the official test set, and the report says so.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task
from weam_ray.evaluate.tasks.reading import QUESTIONS, question_row, read_squad
from weam_ray.settings.evaluation import Recipe

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")


def own_file(root: Path, language: Language) -> Path:
    return root / "xquad" / f"xquad.{language.code}.json"


def squad_train(root: Path, language: Language) -> Path:
    """SQuAD's training file, or XTREME's machine translation of it."""
    if language.code == ENGLISH:
        return root / "squad" / "train-v1.1.json"
    return root / "squad" / "translate-train" / f"squad.translate.train.en-{language.code}.json"


def with_squad(root: Path, split: Split, language: Language) -> Sequence[Path]:
    """The English development file is read beside XQuAD's English one, whose questions come from it."""
    if split == "train":
        return [squad_train(root, language)]
    if split == "dev":
        return [root / "squad" / "dev-v1.1.json", own_file(root, language)]
    if not squad_train(root, Language(ENGLISH, "eng", "eng_Latn")).is_file():
        return []
    return [own_file(root, language)]


def read_with_squad(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    if split != "dev":
        return read_squad(files, starts=split == "train")
    development, tested = (read_squad([file], starts=False) for file in files)
    return development.filter(pc.invert(pc.is_in(development["id"], tested["id"].combine_chunks())))


def article_split(article: int) -> Split:
    return "test" if article % 4 == 3 else "dev" if article % 8 == 6 else "train"


def by_article(root: Path, split: Split, language: Language) -> Sequence[Path]:
    return [own_file(root, language)]


def read_by_article(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    def chosen(article: int) -> bool:
        return article_split(article) == split

    return read_squad(files, chosen, starts=split == "train")


def squad_rows(data: Iterable[dict[str, Any]], where: str, split: Split) -> pa.Table:
    """Rows of SQuAD-like data sets of the hub; messages begin with `where`."""
    rows = [question_row(row, where, starts=split == "train") for row in data]
    return pa.Table.from_pylist(rows, schema=QUESTIONS)


SQUAD = ("rajpurkar/squad", "plain_text")
RECIPE = Recipe(learning_rate=3e-5, epochs=3, batch_size=32, max_length=384, weight_decay=1e-4, warmup_share=0.06)

TASK = Task(
    name="xquad",
    reference="https://aclanthology.org/2020.acl-main.421/",
    licence="CC BY-SA 4.0",
    revision="SQuAD 1.1",
    kind="questions",
    metric="f1",
    recipe=RECIPE,
    layouts=(
        Layout("with SQuAD", with_squad, read_with_squad),
        Layout(
            "by article",
            by_article,
            read_by_article,
            note="there is no SQuAD under the data root: 30 of XQuAD's articles train, 6 develop and 12 test, so this "
            "is not the official test set",
        ),
    ),
    form=formats.ANSWERS,
    score=official.squad,
    hub=Hub(
        "google/xquad",
        lambda split, language: f"xquad.{language.code}" if language.code in LANGUAGES else None,
        lambda split, language: "validation" if split == "test" else None,
        lambda data, split, language: squad_rows(data, "google/xquad", split),
        training=SQUAD,
        apart=True,
    ),
    notes=("Questions of SQuAD's development set that XQuAD tests are left out of the English development data.",),
)
