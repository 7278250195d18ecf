"""Filters by length: of sides, of sides against each other, and of words."""

import numpy as np

from weam_ray.corpus.filters.base import Kept, Pairs, keeps
from weam_ray.settings.filters import LengthFilter, LengthRatioFilter, LongWordsFilter


@keeps.register
def of_fitting_length(own: LengthFilter, pairs: Pairs) -> Kept:
    """Those of which both sides are long and short enough."""
    return pairs.on_each_side(lambda side: (side.lengths(own.unit) >= own.min) & (side.lengths(own.unit) <= own.max))


@keeps.register
def of_fitting_ratio(own: LengthRatioFilter, pairs: Pairs) -> Kept:
    """Those whose sides are of similar length; a side of no length is never similar."""

    def is_similar(*sides: np.ndarray) -> Kept:
        return np.maximum(*sides) <= own.max * np.minimum(*sides)

    return pairs.between(lambda left, right: is_similar(left.lengths(own.unit), right.lengths(own.unit)))


@keeps.register
def without_long_words(own: LongWordsFilter, pairs: Pairs) -> Kept:
    """Those without a word that is too long."""
    return pairs.on_each_side(lambda side: side.codes.longest_words <= own.max)
