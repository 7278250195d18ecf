"""The filter of pairs by the ends of sentences (Vázquez, Aulamo, Sulubacak & Tiedemann 2019, section 2.1)."""

import numpy as np

from weam_ray.corpus.filters.base import Kept, Pairs, keeps
from weam_ray.settings.filters import TerminalPunctuationFilter

ENDS = "[.?!…。？！｡؟۔।॥።፧။។]"


@keeps.register
def with_same_ends(own: TerminalPunctuationFilter, pairs: Pairs) -> Kept:
    """Those with about as many ends of sentences on both sides."""

    def score(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        beyond = np.maximum(left - 1, 0) + np.maximum(right - 1, 0)
        return -np.log1p(np.abs(left - right) + beyond)

    return pairs.between(lambda left, right: score(left.count(ENDS), right.count(ENDS)) >= own.min)
