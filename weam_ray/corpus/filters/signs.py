"""What kind of sign every character of Unicode is, as tables by code point, and texts as arrays of code points."""

import unicodedata
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pyarrow as pa
import regex
from numba import njit
from numpy.typing import NDArray

from weam_ray.corpus.words import UNSPACED
from weam_ray.store.arrays import freeze

NUM_CODES = 0x110000
NUM_KINDS = 6
LETTER, MARK, NUMBER, PUNCTUATION, SPACE, ALONE = (1 << bit for bit in range(NUM_KINDS))
PATTERNS = {
    LETTER: r"\p{L}",
    MARK: r"\p{M}",
    NUMBER: r"\p{N}",
    PUNCTUATION: r"[\p{P}\p{S}]",
    SPACE: r"\s",
    ALONE: f"[{UNSPACED}]",
}


@cache
def kinds() -> NDArray[np.uint8]:
    """The kinds of each code point, as bits: a letter, a mark, a number, punctuation or a symbol, white space, and a
    sign of a script without spaces, which is a word ALONE.
    """
    found = np.zeros(NUM_CODES, np.uint8)
    for kind, pattern in PATTERNS.items():
        found[codes_of(pattern)] |= kind
    found.flags.writeable = False
    return found


@cache
def digits() -> NDArray[np.uint8]:
    """The value of each code point that is a decimal digit, in whatever script, and 0 for all others."""
    found = np.zeros(NUM_CODES, np.uint8)
    for code in codes_of(r"\p{Nd}"):
        found[code] = unicodedata.decimal(chr(code), 0)
    found.flags.writeable = False
    return found


@cache
def of_scripts(names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Whether each code point is of one of some scripts, by what Unicode calls them."""
    found = np.zeros(NUM_CODES, np.bool_)
    found[codes_of("[" + "".join(rf"\p{{Script={name}}}" for name in names) + "]")] = True
    found.flags.writeable = False
    return found


def codes_of(pattern: str) -> NDArray[np.int64]:
    """The code points that a regular expression of one character finds."""
    runs = regex.finditer(f"(?:{pattern})+", all_signs())
    return np.concatenate([np.arange(*run.span()) for run in runs])


@cache
def all_signs() -> str:
    """Every code point, at its own place."""
    return "".join(map(chr, range(NUM_CODES)))


@dataclass(frozen=True)
class Codes:
    """Some texts as code points, one after another: text t has those from `bounds[t]` to `bounds[t + 1]`."""

    codes: NDArray[np.uint32]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, texts: pa.StringArray) -> "Codes":
        """The code points of some texts without nulls."""
        listed = texts.to_pylist()
        codes = np.frombuffer("".join(listed).encode("utf-32-le"), np.uint32)
        bounds = np.cumsum([0, *map(len, listed)]).astype(np.int64)
        freeze(codes, bounds)
        return cls(codes, bounds)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The characters of each text."""
        return np.diff(self.bounds)

    def count(self, found: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many of the characters of each text are among the `found`, which says it of all: (texts,)."""
        return _count(found, self.bounds)

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """The kinds of all characters."""
        return kinds()[self.codes]

    @cached_property
    def tally(self) -> NDArray[np.int64]:
        """Of each text the number of characters of each kind, by bit; then its words, and its longest run without
        white space: (texts, 8).
        """
        return _tally(self.kinds, self.bounds)

    def count_of(self, wanted: int) -> NDArray[np.int64]:
        """How many characters of each text are of one of some kinds, of which none includes another: (texts,)."""
        return sum((self.tally[:, bit] for bit in range(NUM_KINDS) if wanted >> bit & 1), np.zeros(1, np.int64))

    @property
    def words(self) -> NDArray[np.int64]:
        """The words of each text: what stands between spaces, and each sign of a script without spaces: (texts,)."""
        return self.tally[:, NUM_KINDS]

    @property
    def longest_words(self) -> NDArray[np.int64]:
        """The characters of the longest string between two spaces of each text: (texts,)."""
        return self.tally[:, NUM_KINDS + 1]


@njit(cache=True, nogil=True)
def _count(found: NDArray[np.bool_], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many are found of each text."""
    counts = np.zeros(len(bounds) - 1, np.int64)
    for t in range(len(counts)):
        for at in range(bounds[t], bounds[t + 1]):
            counts[t] += found[at]
    return counts


@njit(cache=True, nogil=True)
def _tally(kinds: NDArray[np.uint8], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """See `Codes.tally`."""
    counts = np.zeros((len(bounds) - 1, NUM_KINDS + 2), np.int64)
    for t in range(len(counts)):
        own = counts[t]
        run, inside = 0, False
        for at in range(bounds[t], bounds[t + 1]):
            kind = kinds[at]
            for bit in range(NUM_KINDS):
                own[bit] += kind >> bit & 1
            alone, space = kind & ALONE != 0, kind & SPACE != 0
            own[NUM_KINDS] += alone or not (space or inside)
            inside = not (alone or space)
            run = 0 if space else run + 1
            own[NUM_KINDS + 1] = max(own[NUM_KINDS + 1], run)
    return counts
