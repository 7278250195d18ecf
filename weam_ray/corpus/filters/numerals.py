"""The filter of pairs whose numbers differ (Vázquez, Aulamo, Sulubacak & Tiedemann 2019, section 2.1)."""

from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.corpus.filters.signs import digits
from weam_ray.settings.filters import NumeralsFilter


@keeps.register
def with_same_numerals(own: NumeralsFilter, pairs: Pairs) -> Kept:
    """Those whose digits but for zeros are alike on both sides."""

    def are_alike(left: Side, right: Side) -> Kept:
        sides = Numerals.of(left), Numerals.of(right)
        kept = np.ones(len(left.texts), np.bool_)
        for place in np.flatnonzero((sides[0].lengths > 0) | (sides[1].lengths > 0)).tolist():
            numerals = sides[0].of_text(place), sides[1].of_text(place)
            kept[place] = numerals[0] == numerals[1] or SequenceMatcher(None, *numerals).ratio() >= own.min
        return kept

    return pairs.between(are_alike)


@dataclass(frozen=True)
class Numerals:
    """The decimal digits of some texts but for zeros, of any script: those of text t end at `ends[t]`."""

    values: bytes
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, side: Side) -> "Numerals":
        """Those of a side."""
        values = digits()[side.codes.codes]
        return cls(values[values > 0].tobytes(), np.cumsum(side.codes.count(values > 0)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many each text has."""
        return np.diff(self.ends, prepend=0)

    def of_text(self, place: int) -> bytes:
        """Those of one text."""
        begin = self.ends[place - 1] if place else 0
        return self.values[begin : self.ends[place]]
