"""Margin, anisotropy and isotropy: by hand, and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weam_ray.measure.geometry import anisotropy, layer_geometry, margin, others, partition_isotropy
from weam_ray.measure.states import LinkedStates


@given(st.integers(2, 50), st.integers(0, 5))
def test_others_are_others(count: int, seed: int) -> None:
    drawn = others(count, seed)
    assert ((drawn >= 0) & (drawn < count) & (drawn != np.arange(count))).all()
    np.testing.assert_array_equal(drawn, others(count, seed))


def test_others_are_drawn_uniformly() -> None:
    differences = (others(40_000, 0) - np.arange(40_000)) % 40_000
    counts = np.histogram(differences, bins=4, range=(0, 40_000))[0]
    np.testing.assert_allclose(counts, 10_000, rtol=0.05)


def test_margin_by_hand() -> None:
    """Of two links the other word is given: cosines 1 and 0.6 of the linked, 0 and 0.8 of the others."""
    source = np.array([[2, 0], [3, 4]], np.float32)
    target = np.array([[1, 0], [0, 1]], np.float32)
    assert margin(source, target) == pytest.approx({"linked": 0.9, "random": 0.3, "margin": 0.6}, abs=1e-6)
    assert all(math.isnan(figure) for figure in margin(source[:1], target[:1]).values())


def test_anisotropy_by_hand() -> None:
    assert anisotropy(np.array([[2, 0], [3, 4]], np.float32)) == pytest.approx(0.6)
    assert anisotropy(np.full((9, 3), 0.5, np.float32)) == pytest.approx(1)
    assert anisotropy(np.random.default_rng(0).normal(size=(4000, 50)).astype(np.float32)) == pytest.approx(0, abs=0.01)
    assert math.isnan(anisotropy(np.ones((1, 3), np.float32)))


def test_partition_isotropy_by_hand() -> None:
    """One vector of length 2 in a plane: Z is exp(2), exp(-2) and, across it, 1; with unit length exp(1), exp(-1)."""
    one = np.array([[0, 2]], np.float32)
    assert partition_isotropy(one) == pytest.approx(math.exp(-4))
    assert partition_isotropy(one, unit=True) == pytest.approx(math.exp(-2))
    cross = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], np.float32)
    assert partition_isotropy(cross) == pytest.approx(1)
    two = np.array([[3, 0], [-3, 0], [0, 1], [0, -1]], np.float32)
    assert partition_isotropy(two) == pytest.approx((math.cosh(1) + 1) / (math.cosh(3) + 1))
    assert math.isnan(partition_isotropy(np.empty((0, 2), np.float32)))


def test_long_states_do_not_overflow() -> None:
    assert partition_isotropy(np.array([[1e4, 0], [-1e4, 0], [0, 1e4], [0, -1e4]], np.float32)) == pytest.approx(1)
    assert partition_isotropy(np.array([[1e4, 0]], np.float32)) == 0


def test_a_rotation_of_both_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    source = generator.normal(size=(2, 60, 8)).astype(np.float32) + 0.5
    target = source + generator.normal(size=source.shape).astype(np.float32)
    rotation = np.linalg.qr(generator.normal(size=(8, 8)))[0].astype(np.float32)
    rest = {"pairs": np.arange(60), "identical": np.zeros(60, np.bool_), "num_lost": 0}
    before = layer_geometry(LinkedStates(source, target, **rest))
    after = layer_geometry(LinkedStates(source @ rotation, target @ rotation, **rest))
    assert len(before) == 2
    for one, other in zip(before, after, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
        assert one["margin"] > 0.2
    assert before[0] != before[1]
    assert list(before[0]) == [
        "linked",
        "random",
        "margin",
        "source_anisotropy",
        "source_partition_isotropy",
        "source_partition_isotropy_unit",
        "target_anisotropy",
        "target_partition_isotropy",
        "target_partition_isotropy_unit",
    ]
