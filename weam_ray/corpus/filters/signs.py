"""What kind of sign every character of Unicode is, as tables by code point, and texts as arrays of code points."""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import regex
from numpy.typing import NDArray

from weam_ray.corpus.words import UNSPACED

NUM_CODES = 0x110000
LETTER, MARK, NUMBER, PUNCTUATION, SPACE, ALONE = (1 << bit for bit in range(6))
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
        return cls(codes, np.cumsum([0, *map(len, listed)]).astype(np.int64))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The characters of each text."""
        return np.diff(self.bounds)

    def count(self, found: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many of the characters of each text are among the `found`, which says it of all: (texts,)."""
        sums = np.concatenate([[0], np.cumsum(found, dtype=np.int64)])
        return np.diff(sums[self.bounds])

    def begins(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where runs of characters begin that are `inside`; none goes on from one text into the next."""
        before = np.concatenate([[False], inside[:-1]])
        before[self.bounds[:-1][self.bounds[:-1] < len(before)]] = False
        return inside & ~before

    def longest_run(self, inside: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The length of the longest run of such characters in each text."""
        starts = np.flatnonzero(self.begins(inside))
        found = np.zeros(len(self.bounds) - 1, np.int64)
        if not len(starts):
            return found
        outside = np.flatnonzero(~inside)
        stops = np.concatenate([outside, [len(inside)]])[np.searchsorted(outside, starts)]
        owners = np.searchsorted(self.bounds, starts, side="right") - 1
        np.maximum.at(found, owners, np.minimum(stops, self.bounds[owners + 1]) - starts)
        return found
