"""Reasons for which pairs are rejected whatever the configuration: nothing could be learnt from them."""

from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.corpus.readers.base import (
    COLUMNS,
    DAMAGED,
    ENCODING,
    ENTITY,
    FUZZY,
    GLUED_SEPARATOR,
    JSON,
    LANGUAGE,
    OBSOLETE,
    QUOTES,
    SEPARATOR,
    STATE,
    TOO_LONG,
    UNTRANSLATED,
)
from weam_ray.corpus.words import Segmentation, has_word, segment, word_spans

NUL = "nul"
BLANK = "blank"
IDENTICAL = "identical"
HELD_OUT_ELSEWHERE = "held_out_elsewhere"
LIMIT = "limit"  # beyond the share of `corpus.limits`

# A byte may be a token, and links number the tokens of a side by int16. Other sides with too many are left to `encode`.
MAX_WORD_BYTES = 2**15 - 2
# What a reason means that leaves nothing of a corpus, and what to do
REMEDIES = {
    GLUED_SEPARATOR: "the separator `|||` needs a space or a tab on either side",
    COLUMNS: "the lines have fewer columns than most, or no text under a key",
    JSON: "a line is no JSON object",
    QUOTES: "the quotation marks on a line do not match",
    LANGUAGE: "a unit or a catalogue is in other languages; see source_lang and target_lang",
    ENTITY: "a text has an entity that is declared elsewhere, where nothing is read",
    STATE: "a translation is marked as not done",
    FUZZY: "a translation is marked as one to be looked at",
    OBSOLETE: "a message is no longer used",
    UNTRANSLATED: "there is no translation",
    ENCODING: "a text has bytes that are not UTF-8; convert the file to UTF-8",
    DAMAGED: "a file is damaged from there on; the rejected rows say where",
    LIMIT: "corpus.limits keeps some of the pairs; a larger one keeps more",
}

_VISIBLE = r"[\p{L}\p{M}\p{N}\p{P}\p{S}]"
_SEPARATOR = r"(^|[ \t])\|\|\|([ \t]|$)"
_DIRECTION_MARK = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"


def reject_reasons(
    pairs: pa.RecordBatch,
    max_words: int,
    segmentation: Segmentation = "words",
    keep_identical: bool = False,
    paired: bool = True,
) -> pa.StringArray:
    """The reason to reject each pair of a reader's batch, null for those to keep; the first that holds, of

    - the reader's own `problem`: `surrogate`; `separator` where a line has several, or more columns than others,
      `columns` where it has fewer, `glued_separator` where `|||` is only a part of words; `too_long` where it has more
      than a megabyte; and what single formats know (`settings/sources.py` says which);
    - `nul`: a NUL character in a side; `separator`: the word `|||` in a side cut by white space, since what is
      written from it could not be read back;
    - `blank`: a side without a word, or with nothing to be seen (Unicode categories C and Z alone);
    - `identical`: both sides the same text, so nothing is translated (unless `keep_identical`);
    - `too_long`: a side of more than `max_words` words, or in a pair, with a word of more than MAX_WORD_BYTES.

    Of unpaired text (not `paired`) only the source is looked at.
    """
    sides = (pairs["source"], pairs["target"]) if paired else (pairs["source"],)
    lengths = [count_words(side, max_words, segmentation) for side in sides]
    checks: list[tuple[str, list[Any]]] = [(NUL, [pc.match_substring(side, "\0") for side in sides])]
    if segmentation == "whitespace":
        checks.append((SEPARATOR, [pc.match_substring_regex(side, _SEPARATOR) for side in sides]))
        checks.append((BLANK, [pc.invert(pc.match_substring_regex(side, _VISIBLE)) for side in sides]))
    else:
        checks.append((BLANK, [pa.array(length == 0) for length in lengths]))
    if paired and not keep_identical:
        checks.append((IDENTICAL, [pc.equal(*(pc.utf8_trim_whitespace(side) for side in sides))]))
    checks.append((TOO_LONG, [pa.array(length > max_words) for length in lengths]))
    if paired:
        checks.append((TOO_LONG, [pa.array(has_long_word(side, segmentation)) for side in sides]))
    no_reason = pa.scalar(None, pa.string())
    return pc.coalesce(
        pairs["problem"], *(pc.if_else(reduce(pc.or_, found), reason, no_reason) for reason, found in checks)
    )


def count_words(texts: pa.StringArray, max_words: int, segmentation: Segmentation) -> NDArray[np.int64]:
    """The number of words of each text, or any from 1 to `max_words` where it is one of these."""
    if segmentation == "whitespace":
        return segment(texts, segmentation).lengths
    # a word has a character at least, so most texts need no count, which is what costs most in the whole stage
    return np.array(
        [len(word_spans(text)) if len(text) > max_words else has_word(text) for text in texts.to_pylist()], np.int64
    )


def has_long_word(texts: pa.StringArray, segmentation: Segmentation) -> NDArray[np.bool_]:
    """Whether each text has a word of more than MAX_WORD_BYTES bytes."""
    found = pc.binary_length(texts).to_numpy() > MAX_WORD_BYTES  # else it has none
    for place in np.flatnonzero(found):
        words = segment(texts.slice(place, 1), segmentation).words
        found[place] = (pc.max(pc.binary_length(words)).as_py() or 0) > MAX_WORD_BYTES
    return found


def count_direction_marks(pairs: pa.RecordBatch) -> int:
    """How many pairs hold a mark of writing direction, such as U+200F; they are ordinary text."""
    found = pc.or_(*(pc.match_substring_regex(pairs[side], _DIRECTION_MARK) for side in ("source", "target")))
    return pc.sum(found).as_py() or 0
