"""The filter of pairs in which a string is repeated."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.corpus.filters.signs import SPACE
from weam_ray.settings.filters import RepetitionFilter

CHAINS = 512  # hashes of signs


@keeps.register
def without_repetition(own: RepetitionFilter, pairs: Pairs) -> Kept:
    """Those without a string that comes again so many times, with spaces between or none.

    It is what the regular expression `(\\S.{min - 1, max - 1}?)(?: *\\1){times,}` finds, by which OpusFilter looks for
    it.
    """
    return pairs.on_each_side(lambda side: ~repeats(side, own.times, own.min, own.max))


def repeats(side: Side, times: int, shortest: int, longest: int) -> Kept:
    """Which texts have a string of so many characters that is repeated."""
    own = side.codes
    return _repeats(own.codes, own.kinds, own.bounds, times, shortest, longest)


@njit(cache=True, nogil=True)
def _repeats(
    codes: NDArray[np.uint32],
    kinds: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    times: int,
    shortest: int,
    longest: int,
) -> NDArray[np.bool_]:
    """For each text, from `bounds[t]` to `bounds[t + 1]`, whether a string of it is repeated.

    A string that is repeated begins with the same sign as its repetition, so that only places of the same sign are
    compared, by a chain from each place to the next one of its sign (or of one with the same hash).
    """
    found = np.zeros(len(bounds) - 1, np.bool_)
    last = np.empty(CHAINS, np.int64)
    for t in range(len(found)):
        start, end = bounds[t], bounds[t + 1]
        last[:] = -1
        chain = np.empty(end - start, np.int64)  # the next place of the same hash
        blanks = np.zeros(end - start, np.int64)  # how many spaces stand right before a place
        breaks = np.empty(end - start, np.int64)  # the next end of a line
        line = end
        for at in range(end - 1, start - 1, -1):
            own = codes[at] % CHAINS
            chain[at - start], last[own] = last[own], at
            line = at if codes[at] == 10 else line
            breaks[at - start] = line
        for at in range(start + 1, end):
            blanks[at - start] = blanks[at - start - 1] + 1 if codes[at - 1] == 32 else 0
        widest = longest + blanks.max() if end > start else 0  # from a string to its repetition
        for begin in range(start, end):
            first = codes[begin]
            if kinds[begin] & SPACE:
                continue
            place = chain[begin - start]
            while 0 <= place <= begin + widest and not found[t]:
                if codes[place] == first:
                    most = min(place - begin, longest, breaks[begin - start] - begin)
                    for length in range(max(shortest, place - begin - blanks[place - start]), most + 1):
                        if _comes_again(codes, begin, length, place, end, times):
                            found[t] = True
                            break
                place = chain[place - start]
            if found[t]:
                break
    return found


@njit(cache=True, nogil=True)
def _comes_again(codes: NDArray[np.uint32], begin: int, length: int, place: int, end: int, times: int) -> bool:
    """Whether the string of some length at `begin` comes at `place`, and so often in all, with spaces between."""
    at = place
    for _ in range(times):
        while at < end and codes[at] == 32:
            at += 1
        if at + length > end:
            return False
        for k in range(length):
            if codes[at + k] != codes[begin + k]:
                return False
        at += length
    return True
