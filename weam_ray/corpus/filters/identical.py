"""The filter of pairs whose sides are the same but for case, punctuation and digits."""

import numpy as np

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.corpus.filters.characters import letters_only
from weam_ray.settings.filters import IdenticalFilter


@keeps.register
def with_different_letters(own: IdenticalFilter, pairs: Pairs) -> Kept:
    """Those whose sides have different letters."""

    def differ(*sides: Side) -> Kept:
        texts = (side.texts.to_pylist() for side in sides)
        letters = (letters_only(side.texts) for side in sides)
        rows = zip(*letters, *texts, strict=True)
        # of texts without letters the whole must differ
        return np.array([(left or one) != (right or other) for left, right, one, other in rows], np.bool_)

    return pairs.between(differ)
