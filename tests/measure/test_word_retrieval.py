"""Contextual word retrieval: by hand, against all similarities at once, and what must not change it."""

from math import isnan

import numpy as np
import pytest
from numpy.typing import NDArray

from weam_ray.measure.nearest import normalized
from weam_ray.measure.states import LinkedStates
from weam_ray.measure.word_retrieval import Similarity, layer_word_retrieval, word_retrieval

SIMILARITIES = pytest.mark.parametrize("similarity", ["cosine", "csls"])
BOTH = pytest.mark.parametrize("centre", [False, True])
Vectors = NDArray[np.float32]


def noisy(count: int, noise: float, seed: int = 0) -> tuple[Vectors, Vectors]:
    generator = np.random.default_rng(seed)
    source = generator.normal(size=(count, 12)).astype(np.float32)
    return source, source + noise * generator.normal(size=source.shape).astype(np.float32)


def csls_at_once(source: Vectors, target: Vectors, k: int = 10) -> Vectors:
    cosines = normalized(source) @ normalized(target).T
    forward, backward = (-np.sort(-each, axis=1)[:, :k].mean(axis=1) for each in (cosines, cosines.T))
    return 2 * cosines - forward[:, None] - backward[None, :]


def test_by_hand() -> None:
    source = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    target = np.array([[2, 0.1], [3, 3], [0, 5]], np.float32)  # those of the second and third link are exchanged
    found = word_retrieval(source, target)
    assert found.forward.tolist() == [True, False, False]
    assert found.backward.tolist() == [True, False, False]
    assert found.rates == {"forward": 1 / 3, "backward": 1 / 3, "mean": 1 / 3}


def test_forward_and_backward_are_told_apart() -> None:
    source = np.array([[1, 0], [1, 0.1]], np.float32)
    target = np.array([[1, -0.5], [1, -0.1]], np.float32)  # the second is nearest to both, and nearest to the first
    found = word_retrieval(source, target)
    assert (found.forward.tolist(), found.backward.tolist()) == ([False, True], [True, False])


@SIMILARITIES
@BOTH
def test_identical_vectors_are_found(similarity: Similarity, centre: bool) -> None:
    source, _ = noisy(60, 0)
    assert word_retrieval(source, source.copy(), similarity, centre).rates["mean"] == 1


@BOTH
def test_csls_as_all_at_once(centre: bool) -> None:
    source, target = noisy(80, 1.5)
    found = word_retrieval(source, target, "csls", centre)
    if centre:
        source, target = source - source.mean(0), target - target.mean(0)
    expected = csls_at_once(source, target)
    rows = np.arange(80)
    np.testing.assert_array_equal(found.forward, expected.argmax(axis=1) == rows)
    np.testing.assert_array_equal(found.backward, expected.argmax(axis=0) == rows)
    assert 0.2 < found.rates["mean"] < 0.9


def test_csls_passes_over_a_hub() -> None:
    """A target word near all source words is nobody's translation but its own."""
    source, target = (side + 1 for side in noisy(40, 0.9))
    target[0] = source.mean(axis=0)
    cosine, csls = (word_retrieval(source, target, similarity).forward.mean() for similarity in ("cosine", "csls"))
    assert cosine < csls


@SIMILARITIES
@BOTH
def test_a_rotation_of_both_changes_nothing(similarity: Similarity, centre: bool) -> None:
    source, target = noisy(50, 1.2)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(12, 12)))[0].astype(np.float32)
    before, after = (
        word_retrieval(a, b, similarity, centre) for a, b in ((source, target), (source @ rotation, target @ rotation))
    )
    np.testing.assert_array_equal(before.forward, after.forward)
    np.testing.assert_array_equal(before.backward, after.backward)


@SIMILARITIES
def test_centring_undoes_what_a_language_adds(similarity: Similarity) -> None:
    source, target = noisy(50, 1.0)
    shift = np.array([30] + 11 * [0], np.float32)
    plain, shifted = (word_retrieval(source, each, similarity, centre=True) for each in (target, target + shift))
    np.testing.assert_array_equal(plain.forward, shifted.forward)
    np.testing.assert_array_equal(plain.backward, shifted.backward)
    assert word_retrieval(source, target + shift).rates["forward"] < plain.rates["forward"]


def test_identical_words_are_no_queries_but_candidates() -> None:
    source = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    target = np.array([[2, 0.1], [3, 3], [0, 5]], np.float32)
    found = word_retrieval(source, target, identical=np.array([True, False, False]))
    assert found.queries.tolist() == [1, 2]
    assert found.forward.tolist() == found.backward.tolist() == [False, False]
    assert found.num_identical == 1


@SIMILARITIES
@BOTH
def test_nothing_to_ask(similarity: Similarity, centre: bool) -> None:
    nothing = np.empty((0, 4), np.float32)
    for found in (
        word_retrieval(nothing, nothing, similarity, centre),
        word_retrieval(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), identical=np.ones(2, np.bool_)),
    ):
        assert all(isnan(rate) for rate in found.rates.values())
        assert len(found.queries) == 0


def test_by_layer() -> None:
    near, far = noisy(30, 0.01), noisy(30, 5)
    identical = np.arange(30) < 4
    states = (np.stack(side) for side in zip(near, far, strict=True))
    linked = LinkedStates(*states, pairs=np.arange(30) // 3, identical=identical, num_lost=0)
    first, second = layer_word_retrieval(linked)
    assert first.rates["mean"] == 1
    assert second.rates["mean"] < 0.5
    assert [each.num_identical for each in (first, second)] == [4, 4]
    assert linked.pairs[first.queries].tolist() == [k // 3 for k in range(4, 30)]
    np.testing.assert_array_equal(second.forward, word_retrieval(*far).forward[4:])
