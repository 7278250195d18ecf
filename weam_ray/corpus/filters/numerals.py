"""The filter of pairs whose numbers differ (Vázquez, Aulamo, Sulubacak & Tiedemann 2019, section 2.1)."""

import unicodedata
from difflib import SequenceMatcher

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.settings.filters import NumeralsFilter


@keeps.register
def with_same_numerals(own: NumeralsFilter, pairs: Pairs) -> Kept:
    """Those whose digits but for zeros are alike on both sides."""

    def are_alike(left: Side, right: Side) -> Kept:
        sides = nonzero_digits(left.texts), nonzero_digits(right.texts)
        kept = pc.equal(*sides).to_numpy(zero_copy_only=False).copy()
        for place in np.flatnonzero(~kept):
            digits = sides[0][place].as_py(), sides[1][place].as_py()
            kept[place] = SequenceMatcher(None, *digits).ratio() >= own.min
        return kept

    return pairs.between(are_alike)


def nonzero_digits(texts: pa.StringArray) -> pa.StringArray:
    """The decimal digits of each text but for zeros, of any script, as those of ASCII."""
    digits = pc.replace_substring_regex(texts, r"[^\p{Nd}]", "")
    if pc.all(pc.string_is_ascii(digits)).as_py() is False:
        values = ["".join(str(unicodedata.decimal(sign)) for sign in text) for text in digits.to_pylist()]
        digits = pa.array(values, pa.string())
    return pc.replace_substring(digits, "0", "")
