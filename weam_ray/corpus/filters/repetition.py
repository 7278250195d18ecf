"""The filter of pairs in which a string is repeated."""

import re

from weam_ray.corpus.filters.base import Kept, Pairs, keeps
from weam_ray.settings.filters import RepetitionFilter


@keeps.register
def without_repetition(own: RepetitionFilter, pairs: Pairs) -> Kept:
    """Those without a string that comes again so many times, with spaces between or none."""
    repeated = re.compile(rf"(\S.{{{own.min - 1},{own.max - 1}}}?)(?: *\1){{{own.times},}}")
    return pairs.on_each_side(lambda side: side.where(lambda text: repeated.search(text) is None))
