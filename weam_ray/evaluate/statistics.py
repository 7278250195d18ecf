"""The statistics of an evaluation: tests over seeds, Holm's adjustment, the bootstrap over examples, and a verdict.

Two errors are kept apart. What another seed would have given is the error of a claim about systems: `seed_test` and
`holm`. What another test set would have given is the sampling error of the test set only: `resampled_scores`,
`middle_95` and `example_test`; it says nothing of another training. `compare_languages` takes them together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student_t

from weam_ray.evaluate.languages import ENGLISH

Values = NDArray[np.float64]
Interval = tuple[float, float]

LEVEL = 0.05
DIFFERENT = "different"
DIFFERENT_HERE = "different on this test set"
DIFFERENT_CHECKPOINTS = "different for these checkpoints"
NOT_SHOWN = "not shown to differ"
IDENTICAL = "identical"
NUM_RESAMPLES = 2000
SAMPLING_ERROR = "sampling error of the test set only"
ONE_SEED = "one seed: no claim"
NO_DIFFERENCE = "no seed differs: t, d_z and an interval are undefined"
NO_SPREAD = "every seed differs by the same amount: t and d_z are undefined, p is that of the exact sign-flip test"
_ROUNDING = 1e-9  # percentage points; what differs by less is equal
_BLOCK = 2**20  # draws of a bootstrap that are in memory at once, 24 bytes each


@dataclass(frozen=True)
class Summary:
    """Values of seeds, their mean and sample standard deviation (n - 1); the latter is None for one value."""

    mean: float
    std: float | None
    per_seed: tuple[float, ...]


@dataclass(frozen=True)
class SeedTest:
    """Paired t test of the differences of two systems, one a seed; in the units of the differences.

    `interval` has 95 % confidence. `effect` is Cohen's d_z: the mean of the differences by their sample standard
    deviation (n - 1), not by that of the scores; of few seeds it comes out too large on average. `smallest_p` is
    `smallest_p(num_seeds)`, to be read beside p. What cannot be had is None, and `note` says why.
    """

    num_seeds: int
    difference: float
    interval: Interval | None
    t: float | None
    p: float | None
    effect: float | None
    smallest_p: float
    note: str | None


@dataclass(frozen=True)
class ExampleTest:
    """Paired bootstrap of a difference over test examples: 95 % percentile interval and two-sided p.

    Sampling error of the test set only: the trained models are taken as given.
    """

    difference: float
    interval: Interval
    p: float


@dataclass(frozen=True)
class Examples:
    """What the score of one system and language is made of; both (seeds, N), in the order of the test file.

    The score of a seed is 100 * sum(numerators) / sum(denominators): accuracy has 1 or 0 by 1, F1 twice the true
    positives by predicted + gold. As in the official metrics, a share of nothing is 0.
    """

    numerators: Values
    denominators: Values

    def __post_init__(self) -> None:
        assert self.numerators.shape == self.denominators.shape
        assert self.numerators.ndim == 2
        assert self.numerators.size

    def __len__(self) -> int:
        """The number of test examples."""
        return self.numerators.shape[1]

    def scores(self) -> Values:
        """(seeds,), in percent."""
        return _percent(self.numerators.sum(axis=1), self.denominators.sum(axis=1))


@dataclass(frozen=True)
class Row:
    """Two systems in one language, or in the average of several, in percent; differences are second minus first.

    `intervals` of both scores and `examples` are the sampling error of the test set only. `adjusted_p` is Holm's over
    the languages of the task, of the p that decides, or over all averages of a comparison. It is None where one seed
    makes no claim. `verdict` is DIFFERENT, DIFFERENT_HERE, DIFFERENT_CHECKPOINTS, NOT_SHOWN, or
    IDENTICAL: every example counts alike in both, for every seed.
    """

    language: str
    num_examples: int
    first: Summary
    second: Summary
    intervals: tuple[Interval, Interval]
    seeds: SeedTest
    examples: ExampleTest
    adjusted_p: float | None
    verdict: str


@dataclass(frozen=True)
class Languages:
    """The languages of one task, and what sums them up.

    `average` is over the languages other than English: per seed their mean, tested as a language is. `gap` is English
    minus that mean, of the first system and of the second; both are None where there is nothing to take them of.
    `worst` are the worst of those languages for either system, and its score; English where there is no other.
    """

    rows: tuple[Row, ...]
    average: Row | None
    gap: tuple[Summary, Summary] | None
    worst: tuple[tuple[str, Summary], tuple[str, Summary]]


def summary(values: ArrayLike) -> Summary:
    found = np.asarray(values, np.float64)
    return Summary(float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else None, tuple(found.tolist()))


def smallest_p(num_seeds: int) -> float:
    """The smallest two-sided p that an exact sign-flip test of so many differences can reach: 2 / 2**n.

    That test assumes only that either sign of a difference is as likely. The t test reaches a lower p by assuming that
    differences are normal, which so few of them cannot show: below 6 seeds no p under 0.05 is free of it.
    """
    return 2 / 2**num_seeds


def seed_test(differences: ArrayLike) -> SeedTest:
    """Paired t test of differences, (seeds,), against 0, with n - 1 degrees of freedom; the test set is taken as given.

    Without spread there is no t: differences that are all 0 have p 1, those that are all alike and not 0 have the p of
    the sign-flip test, as t would claim certainty. One seed gives a difference and nothing else.
    """
    found = np.asarray(differences, np.float64)
    count, mean = len(found), float(found.mean())
    if count == 1:
        return SeedTest(count, mean, None, None, None, None, smallest_p(count), ONE_SEED)
    if np.ptp(found) < _ROUNDING:
        if abs(mean) < _ROUNDING:
            return SeedTest(count, 0.0, None, None, 1.0, None, smallest_p(count), NO_DIFFERENCE)
        return SeedTest(count, mean, None, None, smallest_p(count), None, smallest_p(count), NO_SPREAD)
    std = float(found.std(ddof=1))
    error = std / count**0.5
    t, half = mean / error, float(student_t.ppf(0.975, count - 1)) * error
    p = min(1.0, 2 * float(student_t.sf(abs(t), count - 1)))
    return SeedTest(count, mean, (mean - half, mean + half), t, p, mean / std, smallest_p(count), None)


def holm(values: Sequence[float]) -> list[float]:
    """p values of one family adjusted by Holm's step-down (1979, Scandinavian Journal of Statistics 6), as given.

    The k-th smallest of m is multiplied by m - k + 1; none becomes smaller than that of a smaller p, or greater than 1.
    Calling those below 0.05 different is wrong anywhere in a family of equals with a probability of at most 5 %,
    however the tests depend on each other.
    """
    order = np.argsort(values, kind="stable")
    steps = np.asarray(values, np.float64)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def resampled_scores(systems: Sequence[Examples], num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Values:
    """Scores of systems on resampled test sets, mean over their seeds: (systems, resamples).

    A resampled test set is N of the N examples, drawn with replacement, the same for all systems and seeds. The draws
    depend on `seed` and N alone. So languages with as many examples are drawn alike, which keeps the covariance of
    parallel test sets in a mean over languages and changes nothing for others; those of another N are drawn
    independently. A drawn example takes 10 to 20 ns; the memory for draws does not grow with the resamples.
    """
    size = len(systems[0])
    assert all(len(system) == size for system in systems)
    columns = np.concatenate([part for each in systems for part in (each.numerators, each.denominators)]).T
    sums = np.empty((num_resamples, columns.shape[1]))
    generator = np.random.default_rng([seed, size])
    step = max(1, _BLOCK // size)
    for start in range(0, num_resamples, step):
        rows = min(step, num_resamples - start)
        drawn = generator.integers(0, size, (rows, size))
        drawn += size * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        sums[start : start + rows] = weights @ columns
    parts = np.split(sums, np.cumsum([2 * len(each.numerators) for each in systems])[:-1], axis=1)
    return np.stack([_percent(*np.split(each, 2, axis=1)).mean(axis=1) for each in parts])


def middle_95(resampled: Values) -> Interval:
    """The 95 % percentile interval of resampled values, (resamples,)."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def example_test(difference: float, resampled: Values) -> ExampleTest:
    """A difference of two systems, and the same of resampled test sets, (resamples,).

    p is twice the share of resamples on the other side of 0, or on it, where the difference itself counts as one more
    resample; so it is at least 2 / (resamples + 1), and 1 where nothing differs.
    """
    other = min(int(np.sum(resampled < _ROUNDING)), int(np.sum(resampled > -_ROUNDING)))
    p = min(1.0, 2 * (other + 1) / (len(resampled) + 1))
    return ExampleTest(difference, middle_95(resampled), p)


def compare_languages(
    languages: Sequence[str],
    load: Callable[[str], tuple[Examples, Examples]],
    by_examples: bool = False,
    lower_is_better: bool = False,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    different: str = DIFFERENT,
) -> Languages:
    """Two systems in the languages of a task; `load` gives the examples of both in one language.

    Seeds stand against each other in their order; a system with one row of examples stands against each of the other's.
    `by_examples` lets the bootstrap decide; of many languages it then takes more resamples, so that Holm's smallest
    adjusted p is well below 0.05. `different` is the verdict where seeds decide that it is one.
    """
    different = DIFFERENT_HERE if by_examples else different
    num_resamples = max(num_resamples, 100 * len(languages)) if by_examples else num_resamples
    rows: list[Row] = []
    scores, resampled = [], []
    for language in languages:
        first, second = load(language)
        assert len(first) == len(second)
        same = np.array_equal(first.numerators, second.numerators)
        same = same and np.array_equal(first.denominators, second.denominators)
        scores.append((first.scores(), second.scores()))
        resampled.append(resampled_scores((first, second), num_resamples, seed))
        rows.append(_row(language, len(first), scores[-1], resampled[-1], same))
    decisive = [row.examples.p if by_examples else row.seeds.p for row in rows]
    known = [p for p in decisive if p is not None]
    adjusted = holm(known) if len(known) == len(decisive) else [None] * len(rows)
    rows = [_judged(row, p, different) for row, p in zip(rows, adjusted, strict=True)]

    average, gap = None, None
    others = [k for k, language in enumerate(languages) if language != ENGLISH]
    if others:
        means = tuple(np.mean([scores[k][system] for k in others], axis=0) for system in (0, 1))
        same = all(rows[k].verdict == IDENTICAL for k in others)
        count = sum(rows[k].num_examples for k in others)
        drawn = np.mean([resampled[k] for k in others], axis=0)
        average = _row(f"average without {ENGLISH}", count, means, drawn, same)
        average = _judged(average, average.examples.p if by_examples else average.seeds.p, different)
        if ENGLISH in languages:
            english = scores[languages.index(ENGLISH)]
            gap = (summary(english[0] - means[0]), summary(english[1] - means[1]))
    judged = [rows[k] for k in others] or rows
    worst_of = max if lower_is_better else min
    of_first, of_second = (
        worst_of(judged, key=lambda row: row.first.mean),
        worst_of(judged, key=lambda row: row.second.mean),
    )
    worst = ((of_first.language, of_first.first), (of_second.language, of_second.second))
    return Languages(tuple(rows), average, gap, worst)


def judged_together(averages: Sequence[Row | None], judgements: Sequence[tuple[bool, str]]) -> list[Row | None]:
    """Adjust the p of averages over languages by Holm as one family, and give their verdicts by that.

    An average without a p, since it is of one seed, is no member.

    Args:
        judgements: of each, whether the bootstrap over examples decides, and the verdict where seeds do.
    """
    decisive = [
        None if row is None else row.examples.p if by_examples else row.seeds.p
        for row, (by_examples, _) in zip(averages, judgements, strict=True)
    ]
    known = [p for p in decisive if p is not None]
    adjusted = iter(holm(known))
    found: list[Row | None] = []
    for row, p, (by_examples, different) in zip(averages, decisive, judgements, strict=True):
        if row is None:
            found.append(None)
            continue
        own = None if p is None else next(adjusted)
        unjudged = replace(row, verdict=row.verdict if row.verdict == IDENTICAL else NOT_SHOWN)
        found.append(_judged(unjudged, own, DIFFERENT_HERE if by_examples else different))
    return found


def _row(language: str, num_examples: int, scores: tuple[Values, ...], resampled: Values, same: bool) -> Row:
    """Scores are (seeds,) of either system, one of which may have a single one; `resampled` is (2, resamples)."""
    first, second = (summary(each) for each in scores)
    return Row(
        language,
        num_examples,
        first,
        second,
        (middle_95(resampled[0]), middle_95(resampled[1])),
        seed_test(scores[1] - scores[0]),
        example_test(second.mean - first.mean, resampled[1] - resampled[0]),
        None,
        IDENTICAL if same else NOT_SHOWN,
    )


def _judged(row: Row, adjusted_p: float | None, different: str) -> Row:
    verdict = row.verdict
    if verdict != IDENTICAL and adjusted_p is not None and adjusted_p < LEVEL:
        verdict = different
    return replace(row, adjusted_p=adjusted_p, verdict=verdict)


def _percent(numerators: Values, denominators: Values) -> Values:
    return 100 * np.divide(numerators, denominators, out=np.zeros_like(numerators), where=denominators != 0)
