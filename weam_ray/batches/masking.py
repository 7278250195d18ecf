"""Which tokens are masked, and what stands in their places."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weam_ray.batches.batch import Vocabulary

MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1  # of the chosen; the rest stay as they are (Devlin et al. 2019, section 3.1)


def choose(
    generator: np.random.Generator,
    candidates: NDArray[np.int64],
    probability: float,
    units: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Choose each candidate with a probability; with `units`, all candidates of a unit or none."""
    if units is None:
        return candidates[generator.random(len(candidates)) < probability]
    return candidates[(generator.random(units.max() + 1) < probability)[units]]


def replace(generator: np.random.Generator, ids: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Replace chosen tokens: 80 % by the mask, 10 % by any token, 10 % by themselves."""
    fate = generator.random(len(ids))
    ordinary = vocabulary.ordinary_ids
    random_ids = ordinary[generator.integers(0, len(ordinary), len(ids))]
    replaced = np.where(fate < MASKED_SHARE, vocabulary.mask_id, ids)
    return np.where((fate >= MASKED_SHARE) & (fate < MASKED_SHARE + RANDOM_SHARE), random_ids, replaced)


def word_units(words: Sequence[NDArray[np.int16]]) -> NDArray[np.int64]:
    """Number the tokens of all sides by word: tokens of one word have one number, a token of no word its own."""
    units = []
    start = 0
    for side in words:
        fresh = np.ones(len(side), bool)
        fresh[1:] = (side[1:] != side[:-1]) | (side[1:] < 0)
        numbers = np.cumsum(fresh) - 1 + start
        start = int(numbers[-1]) + 1 if len(numbers) else start
        units.append(numbers)
    return np.concatenate(units)
