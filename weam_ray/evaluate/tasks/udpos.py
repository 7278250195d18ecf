"""UD-POS: universal parts of speech of Universal Dependencies (Nivre et al. 2018), as XTREME uses them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Hub, Layout, Split, Task, label_text, usual_split
from weam_ray.evaluate.tasks.reading import TOKENS, read_conllu, read_tagged
from weam_ray.settings.evaluation import Recipe

LABELS = (
    "ADJ",
    "ADP",
    "ADV",
    "AUX",
    "CCONJ",
    "DET",
    "INTJ",
    "NOUN",
    "NUM",
    "PART",
    "PRON",
    "PROPN",
    "PUNCT",
    "SCONJ",
    "SYM",
    "VERB",
    "X",
    "_",
)
HUB_NAMES = {
    **{"af": "Afrikaans", "ar": "Arabic", "eu": "Basque", "bg": "Bulgarian", "zh": "Chinese", "nl": "Dutch"},
    **{"en": "English", "et": "Estonian", "fi": "Finnish", "fr": "French", "de": "German", "el": "Greek"},
    **{"he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese"},
    **{"kk": "Kazakh", "ko": "Korean", "mr": "Marathi", "fa": "Persian", "pt": "Portuguese", "ru": "Russian"},
    **{"es": "Spanish", "tl": "Tagalog", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tr": "Turkish"},
    **{"ur": "Urdu", "vi": "Vietnamese", "yo": "Yoruba"},
}


def treebanks(root: Path, split: Split, language: Language) -> Sequence[Path]:
    """English: PUD is the test set, LinES has the development set, every training file trains."""
    if language.code == ENGLISH and split != "train":
        return [root / "udpos" / {"dev": "en_lines-ud-dev.conllu", "test": "en_pud-ud-test.conllu"}[split]]
    pattern = f"{language.code}_*-ud-{split}.conllu"
    return sorted((root / "udpos").glob(pattern)) or [root / "udpos" / pattern]


def xtreme_files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    return [root / "udpos" / f"{split}-{language.code}.tsv"]


def from_hub(data: Any, split: Split, language: Language) -> pa.Table:
    text = label_text(data, "pos_tags")
    rows = [{"words": row["tokens"], "tags": [text(tag) for tag in row["pos_tags"]]} for row in data]
    return pa.Table.from_pylist(rows, schema=TOKENS)


TASK = Task(
    name="udpos",
    reference="https://universaldependencies.org/",
    licence="of each treebank",
    revision="Universal Dependencies 2.5",
    kind="tokens",
    metric="f1",
    recipe=Recipe(learning_rate=2e-5, epochs=10, batch_size=32, max_length=128),
    layouts=(
        Layout("treebanks", treebanks, lambda files, split, language: read_conllu(files)),
        Layout("xtreme", xtreme_files, lambda files, split, language: read_tagged(files)),
    ),
    form=formats.TAGS,
    score=lambda labels, predictions, language: (
        official.tag_f1(labels, predictions) | official.tag_accuracy(labels, predictions)
    ),
    hub=Hub(
        "google/xtreme",
        lambda split, language: f"udpos.{HUB_NAMES[language.code]}" if language.code in HUB_NAMES else None,
        usual_split,
        from_hub,
    ),
    labels=LABELS,
    notes=(
        "Of treebanks a word is a syntactic one (German im: in, dem); XTREME's own files have words of the surface.",
        "f1 is XTREME's: of chunks by seqeval, not of words; the accuracy of words stands beside it.",
    ),
)
