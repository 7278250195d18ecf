"""Arithmetic of the E-step and the M-step."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reference import digamma
from weam_ray.align.fast_align import em
from weam_ray.store.arrays import freeze

counts_in_bits = st.lists(st.integers(0, 2**40), min_size=1, max_size=6)


def scaled(joints: np.ndarray, factor: float) -> list[int]:
    """What `scale` makes of one row of joint probabilities, as the counts see it."""
    m = len(joints)
    forward, reverse = joints.copy(), joints.copy()
    statistics = np.zeros((2, 3), np.int64)
    em.scale(1, m, forward, reverse, np.full(m, factor), np.full(1, factor), np.empty((2, m)), statistics, 0)
    counts = np.zeros((m, 2), np.int64)
    places = np.arange(m, dtype=np.int32)
    freeze(places)
    em.scatter(places, counts, forward.view(np.int64), reverse.view(np.int64))
    assert counts[:, 0].tolist() == counts[:, 1].tolist()
    return counts[:, 0].tolist()


class TestRounding:
    @settings(deadline=None)
    @given(st.lists(st.floats(0, 2**32), min_size=1, max_size=20))
    def test_nearest_integer(self, values: list[float]) -> None:
        """Python's `round`: halves to the even neighbour."""
        assert scaled(np.array(values), 1.0) == [round(value) for value in values]

    def test_halves_and_ends(self) -> None:
        values = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 2**31 + 0.5, 2**32 - 1.5, 2**32 - 0.5, 2.0**32]
        assert scaled(np.array(values), 1.0) == [0, 0, 0, 1, 1, 2, 2, 2**31, 2**32 - 2, 2**32, 2**32]

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
    def test_probabilities(self, values: list[float]) -> None:
        assert scaled(np.array(values), em.COUNT_SCALE) == [round(value * 2**32) for value in values]

    def test_counts_add_up(self) -> None:
        """A thousand times the same place."""
        counts = np.zeros((2, 2), np.int64)
        places = np.ones(1000, np.int32)
        freeze(places)
        values = (np.full(1000, 3.0) + em.ROUNDING).view(np.int64)
        em.scatter(places, counts, values, values.copy())
        assert counts.tolist() == [[0, 0], [3000, 3000]]


class TestFeature:
    @pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (5, 2)])
    @pytest.mark.parametrize("place", [0, 1])
    def test_sum_over_cells(self, n: int, m: int, place: int) -> None:
        """-|i/n - (j - 1)/m| forward, generated words counted from 0 (or j/m, from 1), and the other way round."""
        forward, reverse = np.random.default_rng(7).random((2, n, m))
        statistics = np.zeros((2, 3), np.int64)
        em.scale(
            n,
            m,
            forward.ravel().copy(),
            reverse.ravel().copy(),
            np.full(m, em.COUNT_SCALE),
            np.full(n, em.COUNT_SCALE),
            np.empty((2, m + 3)),
            statistics,
            place,
        )
        cells = [(i, j) for i in range(n) for j in range(m)]
        expected = [
            -sum(abs((i + 1) / n - (j + place) / m) * forward[i, j] for i, j in cells),
            -sum(abs((j + 1) / m - (i + place) / n) * reverse[i, j] for i, j in cells),
        ]
        assert statistics[:, 2] / em.COUNT_SCALE == pytest.approx(expected, abs=1e-9)
        assert not statistics[:, :2].any()


class TestNullPosteriors:
    def test_hand_case(self) -> None:
        """Word 1 with null's half of a total of 1/4, word 0 with null's all: .5 * .5 and .25 * .5."""
        totals, null_counts, statistics = np.array([0.5, 0.125]), np.zeros(2, np.int64), np.zeros(3, np.int64)
        words, null = np.array([1, 0], np.int32), np.array([0.25, 0.5])
        freeze(words)
        em.null_posteriors(words, null, 0.5, totals, null_counts, statistics)
        assert null_counts.tolist() == [2**32, 2**31]
        assert totals.tolist() == [2**33, 2**35]
        assert statistics[0] / 2**20 == pytest.approx(math.log(0.5) + math.log(0.125), abs=1e-6)
        assert statistics[1] == 1.5 * 2**32


class TestMaximization:
    @settings(deadline=None, max_examples=300)
    @given(st.floats(math.log(0.01), math.log(1e6)))
    def test_exp_digamma(self, exponent: float) -> None:
        x = math.exp(exponent)
        assert em.exp_digamma(x) == pytest.approx(math.exp(digamma(x)), rel=1e-9)

    def test_exp_digamma_where_the_series_begins(self) -> None:
        for x in (0.01, 1.0, math.nextafter(7.0, 0), 7.0, math.nextafter(7.0, 8), 1e6):
            assert em.exp_digamma(x) == pytest.approx(math.exp(digamma(x)), rel=1e-9)
        gamma = 0.57721566490153286  # digamma(1) = -gamma, digamma(1/2) = -gamma - 2 ln 2
        assert em.exp_digamma(1.0) == pytest.approx(math.exp(-gamma), rel=1e-9)
        assert em.exp_digamma(0.5) == pytest.approx(math.exp(-gamma) / 4, rel=1e-9)

    @settings(deadline=None)
    @given(counts_in_bits, st.sampled_from([0.01, 0.1, 1.0]))
    def test_row(self, counts: list[int], alpha: float) -> None:
        """The null word's row, and the same as the first of two rows of a table, without and with a count of zero."""
        given_counts = [*counts, 0]
        smoothed = [count / 2**32 + alpha for count in given_counts]
        expected = [math.exp(digamma(value) - digamma(math.fsum(smoothed))) for value in smoothed]
        row = em.maximize_row(np.array(given_counts, np.int64), alpha)
        assert row.tolist() == pytest.approx(expected, rel=1e-8)
        assert row.sum() < 1

        size = len(given_counts)
        row_offsets = np.array([0, size, size, size + 1], np.int64)
        columns = np.array([*range(size), 0], np.int32)
        both = np.array([*((count, count) for count in given_counts), (2**32, 0)], np.int64)
        freeze(row_offsets, columns, both)
        column_totals = np.zeros(size, np.int64)
        row_totals = em.add_totals(row_offsets, columns, both, column_totals)
        assert row_totals.tolist() == [sum(given_counts), 0, 2**32]
        assert column_totals.tolist() == given_counts
        forward = em.normalizers(row_totals, np.diff(row_offsets), alpha)
        lengths = np.bincount(columns, minlength=size)
        reverse = em.normalizers(column_totals, lengths, alpha)
        assert forward[1] == 1
        freeze(forward, reverse)
        table = np.empty((size + 1, 2))
        em.maximize(row_offsets, columns, both, forward, reverse, alpha, table)
        assert table[:size, 0].tolist() == pytest.approx(row.tolist(), rel=1e-8)
        for pair, f in enumerate(columns.tolist()):
            total = column_totals[f] / 2**32 + alpha * lengths[f]
            smooth = both[pair, 1] / 2**32 + alpha
            assert table[pair, 1] == pytest.approx(math.exp(digamma(smooth) - digamma(total)), rel=1e-8)


class TestLengths:
    @pytest.mark.parametrize("rate", [0.05, 1.0, 12.5])
    def test_poisson(self, rate: float) -> None:
        probabilities = [math.exp(em.log_poisson(m, rate)) for m in range(100)]
        assert math.fsum(probabilities) == pytest.approx(1)
        assert math.fsum(m * p for m, p in enumerate(probabilities)) == pytest.approx(rate)

    def test_largest(self) -> None:
        """Source lengths 2 and 1, target lengths 3 and 5: the longest two are of different pairs."""
        source, target = np.array([0, 2, 3]), np.array([0, 3, 8])
        freeze(source, target)
        assert em.largest(source, target) == (5, 2, 6)
