"""The sentences by which a text is known again: the whole of it, and each sentence of some length inside of it."""

import re

from weam_ray.corpus.words import bare_words

END = re.compile(r"(?<=[.!?…؟।])\s+|(?<=[。！？])")
LONG_ENOUGH = 5  # words of a sentence inside a text; of shorter ones many texts have the same


def sentences_of(text: str) -> list[str]:
    """A text, and of several sentences each that has LONG_ENOUGH words."""
    parts = [part for part in END.split(text) if len(bare_words(part)) >= LONG_ENOUGH]
    return [text, *parts] if parts != [text] else parts
