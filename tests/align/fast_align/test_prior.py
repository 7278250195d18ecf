"""The diagonal prior, its tension, and what is remembered of it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reference import expected_feature, expected_under_prior, feature, partition
from weam_ray.align.fast_align.prior import (
    MOST_WORDS,
    Priors,
    diagonal_feature,
    diagonal_partition,
    fill_prior,
    optimize_tension,
    prior_of,
    tension_gradient,
)
from weam_ray.store.arrays import freeze

lengths = st.integers(1, 30)
tensions = st.floats(0.1, 14)


def filled(m: int, n: int, both: tuple[float, float], p0: float) -> tuple[np.ndarray, np.ndarray]:
    forward, reverse = np.empty(n * m), np.empty(n * m)
    fill_prior(forward, reverse, m, n, both, p0)
    return forward.reshape(n, m), reverse.reshape(n, m)


class TestPrior:
    @settings(deadline=None)
    @given(lengths, lengths, tensions)
    def test_partition_is_the_sum(self, m: int, n: int, tension: float) -> None:
        for j in range(1, m + 1):
            terms = [math.exp(tension * diagonal_feature(j, i, m, n)) for i in range(1, n + 1)]
            assert diagonal_partition(j, m, n, tension) == pytest.approx(math.fsum(terms), rel=1e-9)

    @settings(deadline=None)
    @given(lengths, lengths, st.tuples(tensions, tensions), st.floats(0.01, 0.9))
    def test_filled(self, m: int, n: int, both: tuple[float, float], p0: float) -> None:
        """With null each generated word has one; and each value is the reference's to the last bit but two."""
        forward, reverse = filled(m, n, both, p0)
        assert forward.sum(axis=0) == pytest.approx(np.full(m, 1 - p0))
        assert reverse.sum(axis=1) == pytest.approx(np.full(n, 1 - p0))
        for i in range(n):
            for j in range(m):
                there = math.exp(both[0] * feature(j + 1, i + 1, m, n)) / partition(j + 1, m, n, both[0]) * (1 - p0)
                back = math.exp(both[1] * feature(i + 1, j + 1, n, m)) / partition(i + 1, n, m, both[1]) * (1 - p0)
                assert forward[i, j] == pytest.approx(there, rel=1e-13)
                assert reverse[i, j] == pytest.approx(back, rel=1e-13)

    @settings(deadline=None)
    @given(lengths, lengths, st.tuples(tensions, tensions))
    def test_exchange_of_directions(self, m: int, n: int, both: tuple[float, float]) -> None:
        forward, reverse = filled(m, n, both, 0.08)
        back_forward, back_reverse = filled(n, m, both[::-1], 0.08)
        assert np.array_equal(forward, back_reverse.T)
        assert np.array_equal(reverse, back_forward.T)

    def test_exact_ties(self) -> None:
        """1/2 and 2/2 are as far from 3/4: equal to the last bit."""
        forward, _ = filled(4, 2, (3.7, 5.1), 0.08)
        assert forward[0, 2] == forward[1, 2]


class TestTension:
    @settings(deadline=None)
    @given(lengths, lengths, tensions)
    def test_gradient(self, m: int, n: int, tension: float) -> None:
        for j in range(1, m + 1):
            assert tension_gradient(j, m, n, tension, False) == pytest.approx(
                expected_feature(j, m, n, tension), rel=1e-9, abs=1e-12
            )

    @settings(deadline=None)
    @given(lengths, lengths, tensions)
    def test_exact_gradient(self, m: int, n: int, tension: float) -> None:
        """It is the expectation of the feature under the prior, the published one only where lengths are equal."""
        for j in range(1, m + 1):
            mean = expected_under_prior(j, m, n, tension)
            assert tension_gradient(j, m, n, tension, True) == pytest.approx(mean, abs=1e-9)
            if m == n:
                assert tension_gradient(j, m, n, tension, False) == pytest.approx(mean, abs=1e-9)

    def test_exact_gradient_is_the_derivative(self) -> None:
        for j, m, n, tension in ((1, 3, 7, 2.0), (5, 9, 4, 6.5), (2, 2, 2, 0.3)):
            logs = [math.log(diagonal_partition(j, m, n, tension + step)) for step in (-1e-5, 1e-5)]
            assert tension_gradient(j, m, n, tension, True) == pytest.approx((logs[1] - logs[0]) / 2e-5, abs=1e-6)

    @pytest.mark.parametrize("exact", [False, True])
    @pytest.mark.parametrize(("empirical", "bound"), [(0.0, 14.0), (-1.0, 0.1)])
    def test_bounds(self, empirical: float, bound: float, exact: bool) -> None:
        """On the diagonal alone, and as far from it as can be."""
        sizes, frequencies = np.array([[20, 20]]), np.array([3])
        freeze(sizes, frequencies)
        assert optimize_tension(4.0, empirical * 20, sizes, frequencies, 60, exact) == bound

    @pytest.mark.parametrize("exact", [False, True])
    def test_stays_where_model_and_text_agree(self, exact: bool) -> None:
        sizes, frequencies = np.array([[5, 4], [3, 3]]), np.array([2, 5])
        freeze(sizes, frequencies)
        num_tokens = 2 * 5 + 5 * 3
        expected = 0.0
        for (m, n), frequency in zip(sizes.tolist(), frequencies.tolist(), strict=True):
            mean = expected_under_prior if exact else expected_feature
            expected += frequency * sum(mean(j, m, n, 3.0) for j in range(1, m + 1))
        found = optimize_tension(3.0, expected / num_tokens, sizes, frequencies, num_tokens, exact)
        assert found == pytest.approx(3.0, abs=1e-9)


class TestRemembered:
    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=20),
        st.tuples(tensions, tensions),
        st.integers(0, 150),
    )
    def test_same_from_memory_and_from_scratch(
        self, asked: list[tuple[int, int]], both: tuple[float, float], num_cells: int
    ) -> None:
        """In any order, however little room there is; memory is never used up beyond it."""
        priors, scratch = Priors.empty(num_cells), np.empty((2, 64))
        for m, n in asked:
            forward, reverse = prior_of(m, n, both, 0.08, priors, scratch)
            expected = filled(m, n, both, 0.08)
            assert np.array_equal(forward.reshape(n, m), expected[0])
            assert np.array_equal(reverse.reshape(n, m), expected[1])
            assert priors.used[0] <= num_cells
        remembered = [(m, n) for m, n in set(asked) if priors.starts[m, n] >= 0]
        assert priors.used[0] == sum(m * n for m, n in remembered)
        for m, n in remembered:
            forward, _ = prior_of(m, n, both, 0.08, priors, scratch)
            assert np.shares_memory(forward, priors.values)
            assert np.array_equal(forward.reshape(n, m), filled(m, n, both, 0.08)[0])

    def test_a_second_time_nothing_is_computed(self) -> None:
        priors, scratch = Priors.empty(100), np.empty((2, 12))
        prior_of(3, 4, (4.0, 4.0), 0.08, priors, scratch)
        priors.values[0, :12] = 7.0
        assert prior_of(3, 4, (4.0, 4.0), 0.08, priors, scratch)[0].tolist() == [7.0] * 12

    def test_lengths_are_not_exchanged(self) -> None:
        priors, scratch = Priors.empty(100), np.empty((2, 12))
        for m, n in ((3, 4), (4, 3)):
            forward, _ = prior_of(m, n, (4.0, 6.0), 0.08, priors, scratch)
            assert np.array_equal(forward.reshape(n, m), filled(m, n, (4.0, 6.0), 0.08)[0])

    @pytest.mark.parametrize(("m", "n"), [(MOST_WORDS, 2), (2, MOST_WORDS), (MOST_WORDS + 40, 1)])
    def test_long_sentences_are_not_remembered(self, m: int, n: int) -> None:
        priors, scratch = Priors.empty(10_000), np.empty((2, m * n))
        forward, reverse = prior_of(m, n, (4.0, 6.0), 0.08, priors, scratch)
        assert priors.used[0] == 0
        assert np.shares_memory(forward, scratch)
        expected = filled(m, n, (4.0, 6.0), 0.08)
        assert np.array_equal(forward.reshape(n, m), expected[0])
        assert np.array_equal(reverse.reshape(n, m), expected[1])

    def test_longest_that_are_remembered(self) -> None:
        priors, scratch = Priors.empty(10_000), np.empty((2, 1000))
        prior_of(MOST_WORDS - 1, 2, (4.0, 6.0), 0.08, priors, scratch)
        assert priors.used[0] == 2 * (MOST_WORDS - 1)
