"""A metric as a ratio of sums over test examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """The parts of a metric, which is 100 * numerator.sum() / denominator.sum(); both are (examples,)."""

    numerator: Values
    denominator: Values

    @property
    def percent(self) -> float:
        total = float(self.denominator.sum())
        return 100.0 * float(self.numerator.sum()) / total if total else 0.0


def mean_of(values: Sequence[float]) -> Parts:
    return Parts(np.asarray(values, np.float64), np.ones(len(values)))
