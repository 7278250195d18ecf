"""The filter of pairs whose sides are the same but for case, punctuation and digits."""

import numpy as np

from weam_ray.corpus.filters.base import Kept, Pairs, keeps
from weam_ray.corpus.filters.characters import letters_only
from weam_ray.settings.filters import IdenticalFilter


@keeps.register
def with_different_letters(own: IdenticalFilter, pairs: Pairs) -> Kept:
    """Those whose sides have different letters."""

    def differ(*sides: list[str]) -> Kept:
        return np.array([left != right for left, right in zip(*sides, strict=True)], np.bool_)

    return pairs.between(lambda left, right: differ(letters_only(left.texts), letters_only(right.texts)))
