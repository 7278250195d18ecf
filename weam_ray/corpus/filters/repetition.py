"""The filter of pairs in which a string is repeated."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.settings.filters import RepetitionFilter

SPACES = np.array([code for code in range(0x3001) if chr(code).isspace()], np.uint32)
SPACES.flags.writeable = False


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
    return _repeats(own.codes, own.bounds, SPACES, times, shortest, longest)


@njit(cache=True, nogil=True)
def _repeats(
    codes: NDArray[np.uint32],
    bounds: NDArray[np.int64],
    spaces: NDArray[np.uint32],
    times: int,
    shortest: int,
    longest: int,
) -> NDArray[np.bool_]:
    """For each text, from `bounds[t]` to `bounds[t + 1]`, whether a string of it is repeated."""
    found = np.zeros(len(bounds) - 1, np.bool_)
    for t in range(len(found)):
        end = bounds[t + 1]
        for begin in range(bounds[t], end):
            first = codes[begin]
            if first <= spaces[-1] and np.any(spaces == first):
                continue
            for length in range(1, min(longest, (end - begin) // (times + 1)) + 1):
                if length > 1 and codes[begin + length - 1] == 10:
                    break  # a string is on one line
                at_once = codes[begin + length] == first
                if length < shortest or not (at_once or codes[begin + length] == 32):
                    continue
                at, again = begin + length, 0
                while again < times:
                    while at < end and codes[at] == 32:
                        at += 1
                    if at + length > end:
                        break
                    same = 0
                    while same < length and codes[at + same] == codes[begin + same]:
                        same += 1
                    if same < length:
                        break
                    at += length
                    again += 1
                if again == times:
                    found[t] = True
                    break
            if found[t]:
                break
    return found
