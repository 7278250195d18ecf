"""What filters share: pairs with what is counted in them, and the function that each registers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce, singledispatch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.corpus.filters.signs import Codes
from weam_ray.settings.filters import FilterBase

Kept = NDArray[np.bool_]


@dataclass(frozen=True)
class Side:
    """The texts of one side of some pairs, and their language."""

    language: str
    texts: pa.StringArray

    def count(self, pattern: str) -> NDArray[np.int64]:
        """How often a regular expression (RE2) is found in each text."""
        return pc.count_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False).astype(np.int64)

    @cached_property
    def codes(self) -> Codes:
        """The texts as code points."""
        return Codes.of(self.texts)

    @property
    def characters(self) -> NDArray[np.int64]:
        """The length of each text in characters."""
        return self.codes.lengths

    def lengths(self, unit: str) -> NDArray[np.int64]:
        """The length of each text in `words` or `characters`."""
        return self.codes.words if unit == "words" else self.characters

    def share(self, wanted: int) -> NDArray[np.float64]:
        """The share of the characters that are of one of some kinds, given as bits; of no characters it is 0."""
        return self.codes.count_of(wanted) / np.maximum(self.characters, 1)

    def where(self, test: Callable[[str], bool]) -> Kept:
        """For which texts a function is true."""
        return np.fromiter(map(test, self.texts.to_pylist()), np.bool_, len(self.texts))


@dataclass(frozen=True)
class Pairs:
    """Some pairs of a source; unpaired text has one side."""

    sides: tuple[Side, ...]

    @classmethod
    def of(cls, languages: tuple[str, str], batch: pa.RecordBatch) -> "Pairs":
        """The pairs of a reader's batch."""
        named = zip(languages, ("source", "target"), strict=True)
        return cls(tuple(Side(language, batch[column]) for language, column in named if language))

    def __len__(self) -> int:
        return len(self.sides[0].texts)

    def on_each_side(self, test: Callable[[Side], Kept]) -> Kept:
        """For which pairs a test is true of every side."""
        return reduce(np.logical_and, (test(side) for side in self.sides))

    def between(self, test: Callable[[Side, Side], Kept]) -> Kept:
        """For which pairs a test of both sides is true; it is of all unpaired text."""
        return test(*self.sides) if len(self.sides) == 2 else np.ones(len(self), np.bool_)


@singledispatch
def keeps(own: FilterBase, pairs: Pairs) -> Kept:
    """Which pairs a filter keeps: (pairs,).

    Raises:
        UserError: the filter cannot judge the languages, or a file of it cannot be read.
    """
    raise NotImplementedError(type(own))
