"""Words of raw text, and where they stand in it."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import regex
from numba import njit
from numpy.typing import NDArray

from weam_ray.store.arrays import freeze, string_buffers

Segmentation = Literal["words", "whitespace"]

# Scripts written without spaces between words are cut into grapheme clusters; elsewhere a word is a run of letters,
# marks, digits and connectors (the joiners U+200C and U+200D included), and any other visible grapheme stands alone.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_SPELT = r"\p{L}\p{M}\p{N}\p{Pc}"
_SPELT_WORD = rf"[[{_SPELT}]--[{UNSPACED}]][[{_SPELT}\u200c\u200d]--[{UNSPACED}]]*+|(?=[{UNSPACED}])\X"
_WORD = regex.compile(rf"{_SPELT_WORD}|(?=[^\s\p{{C}}])\X", flags=regex.VERSION1)
_BARE_WORD = regex.compile(_SPELT_WORD, flags=regex.VERSION1)
_ASCII_WORD = re.compile(r"\w+|[!-~]", flags=re.ASCII)  # the same of text that is ASCII, in a fifth of the time
_ASCII_BARE_WORD = re.compile(r"\w+", flags=re.ASCII)
_VOWEL_SIGNS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)  # of Arabic and Hebrew, and the stroke that lengthens a word
_LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{N}]")


@dataclass(frozen=True)
class Words:
    """The words of some texts, one after another: text t has those from `offsets[t]` to `offsets[t + 1]`.

    `spans` is (words, 2) int32: start and end of each word in its text, in characters.
    """

    words: pa.StringArray
    offsets: NDArray[np.int64]
    spans: NDArray[np.int32]

    def __post_init__(self) -> None:
        freeze(self.offsets, self.spans)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of words of each text."""
        return np.diff(self.offsets)

    def slice(self, begin: int, end: int) -> "Words":
        """Take the words of the texts from `begin` to `end`, without a copy of the words."""
        first, last = self.offsets[begin], self.offsets[end]
        offsets = self.offsets[begin : end + 1] - first
        return Words(self.words.slice(first, last - first), offsets, self.spans[first:last])

    def spans_column(self) -> pa.ListArray:
        """For each text start and end of its words, flat, as lists of int32."""
        return pa.ListArray.from_arrays(pa.array(self.offsets * 2, pa.int32()), pa.array(self.spans.ravel()))


def word_spans(text: str) -> list[tuple[int, int]]:
    """Find the words of a text: start and end of each in characters, in order and without overlap.

    Chinese and Japanese are cut by character, other scripts without spaces by grapheme cluster; white space and
    invisible control characters belong to no word.
    """
    return [match.span() for match in (_ASCII_WORD if text.isascii() else _WORD).finditer(text)]


def has_word(text: str) -> bool:
    """Whether `word_spans` finds any."""
    return (_ASCII_WORD if text.isascii() else _WORD).search(text) is not None


def bare_words(text: str) -> list[str]:
    """The words of a text by which it is known again: without case, punctuation, compatibility forms (NFKC),
    and the signs of vowels that Arabic and Hebrew may leave out.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        text = _VOWEL_SIGNS.sub("", text)
    words = (_ASCII_BARE_WORD if text.isascii() else _BARE_WORD).findall(text)
    return [word for word in words if word.isalnum() or _LETTER_OR_DIGIT.search(word)]


def segment(texts: pa.StringArray, segmentation: Segmentation) -> Words:
    """Cut texts without nulls into words.

    `words` cuts by `word_spans`; `whitespace` takes what stands between spaces and tabs as it is, as fast_align does.
    """
    if segmentation == "whitespace":
        ends, starts, lengths, bytes_of_words, offsets = _split(*string_buffers(texts))
        spans = np.stack([starts, ends], axis=1)
        begins = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if begins[-1] > np.iinfo(np.int32).max:
            raise ValueError("more than 2 GiB of text at once")
        buffers = pa.py_buffer(begins.astype(np.int32)), pa.py_buffer(bytes_of_words)
        return Words(pa.StringArray.from_buffers(len(lengths), *buffers), offsets, spans)
    words: list[str] = []
    flat: list[tuple[int, int]] = []
    ends_of_texts = [0]
    for text in texts.to_pylist():
        found = word_spans(text)
        flat += found
        words += [text[start:end] for start, end in found]
        ends_of_texts.append(len(words))
    spans = np.array(flat, np.int32).reshape(-1, 2)
    return Words(pa.array(words, pa.string()), np.array(ends_of_texts, np.int64), spans)


@njit(cache=True, nogil=True)
def _split(data: NDArray[np.uint8], begins: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
    """Ends and starts in characters, lengths in bytes, and the bytes of all words; and how many are up to each text."""
    num_texts = len(begins) - 1
    num_words = 0
    num_bytes = 0
    for t in range(num_texts):
        inside = False
        for at in range(begins[t], begins[t + 1]):
            blank = data[at] == 32 or data[at] == 9
            num_words += not blank and not inside
            num_bytes += not blank
            inside = not blank
    ends = np.empty(num_words, np.int32)
    starts = np.empty(num_words, np.int32)
    lengths = np.empty(num_words, np.int32)
    kept = np.empty(num_bytes, np.uint8)
    offsets = np.zeros(num_texts + 1, np.int64)
    word = 0
    byte = 0
    for t in range(num_texts):
        character = 0  # how many begin before this byte
        first = byte
        inside = False
        for at in range(begins[t], begins[t + 1]):
            blank = data[at] == 32 or data[at] == 9
            if blank and inside:
                ends[word] = character
                lengths[word] = byte - first
                word += 1
            elif not blank:
                if not inside:
                    starts[word] = character
                    first = byte
                kept[byte] = data[at]
                byte += 1
            inside = not blank
            character += data[at] & 0xC0 != 0x80
        if inside:
            ends[word] = character
            lengths[word] = byte - first
            word += 1
        offsets[t + 1] = word
    return ends, starts, lengths, kept, offsets
