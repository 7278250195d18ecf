"""A value of held-out text as means over test examples, and how sure it is: a bootstrap over these."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 2_000
LEVEL = 0.95
SEED = 0


@dataclass(frozen=True)
class Sample:
    """A ratio of sums over examples, both (examples,), and what each is an example of, (examples,).

    Examples of one unit, such as a sentence and its translations, are drawn together.
    """

    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]
    units: NDArray[np.int64]


# by what is measured; each is a mean over its samples, and the value the geometric mean of these
Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True)
class Figures:
    """What a search compares trials by.

    Attributes:
        value: that.
        figures: those behind it, by their names in MLflow.
        samples: the test examples that it is a mean over; none where it is not known by example.
    """

    value: float
    figures: dict[str, float]
    samples: Samples

    @classmethod
    def of(cls, figures: dict[str, float], samples: Samples) -> "Figures":
        """Those whose value is that of some samples."""
        return cls(value_of(samples), figures, samples)


def value_of(samples: Samples) -> float:
    """The value that some samples have."""
    means = [
        np.mean([one.numerator.sum() / one.denominator.sum() for one in own]) if own else 0.0
        for own in samples.values()
    ]
    return float(math.prod(means) ** (1 / len(means)))


def intervals(samples: Mapping[str, Sample | Sequence[Sample]]) -> dict[str, list[float]]:
    """The interval of each of some samples, or of the mean of several, by name; without those that have none.

    The numbers are drawn by a fixed seed, as the masks of predictions are.
    """
    each = {name: [own] if isinstance(own, Sample) else own for name, own in samples.items()}
    found = {name: interval({name: own}, SEED) for name, own in each.items()}
    return {name: list(ends) for name, ends in found.items() if ends is not None}


def interval(samples: Samples, seed: int) -> tuple[float, float] | None:
    """The percentile interval of the value, at 95 %, by a bootstrap over units (Efron and Tibshirani 1993, ch. 13).

    Those of each kind are drawn by themselves. None where a kind has one unit, or none.
    """
    units = [np.unique(np.concatenate([one.units for one in own])) for own in samples.values() if own]
    if len(units) < len(samples) or min(map(len, units)) < 2:
        return None
    sums = [
        [
            [
                np.bincount(np.searchsorted(known, one.units), part, len(known))
                for part in (one.numerator, one.denominator)
            ]
            for one in own
        ]
        for known, own in zip(units, samples.values(), strict=True)
    ]

    def statistic(*drawn: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        means = []
        for numbers, own in zip(drawn, sums, strict=True):
            totals = [[part[numbers].sum(axis=axis) for part in parts] for parts in own]
            # a language of which nothing is drawn has no say
            ratios = [np.where(below > 0, above / np.where(below > 0, below, 1), np.nan) for above, below in totals]
            means.append(np.nanmean(ratios, axis=0))
        product: NDArray[np.float64] = np.prod(means, axis=0) ** (1 / len(means))
        return product

    found = bootstrap(
        [np.arange(len(known)) for known in units],
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        batch=100,
        rng=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
