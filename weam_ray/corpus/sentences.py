"""The sentences by which a text is known again: the whole of it, and each sentence of some length inside of it."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from weam_ray.corpus.words import bare_words

END = re.compile(r"(?<=[.!?…؟।])\s+|(?<=[。！？])")
LONG_ENOUGH = 5  # words of a sentence inside a text; of shorter ones many texts have the same


def sentences_of(text: str) -> list[str]:
    """A text, and of several sentences each that has LONG_ENOUGH words."""
    parts = [part for part in END.split(text) if len(bare_words(part)) >= LONG_ENOUGH]
    return [text, *parts] if parts != [text] else parts


def sentence_name(words: Iterable[str]) -> int:
    """63 bits that name a sentence by its bare words in their order."""
    digest = hashlib.blake2b("\t".join(words).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def sentence_names(texts: Iterable[str]) -> NDArray[np.int64]:
    """The names of the sentences of some texts, each once, rising; of those without a word there are none."""
    sentences = (sentence for text in texts for sentence in sentences_of(text))
    return np.unique(np.array([sentence_name(words) for own in sentences if (words := bare_words(own))], np.int64))
