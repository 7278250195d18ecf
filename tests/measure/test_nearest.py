"""Nearest neighbours in blocks: against all cosines at once, ties, memory; average precision by hand."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from weam_ray.measure.nearest import nearest, normalized
from weam_ray.measure.sentence_retrieval import precision_at_1

Vectors = NDArray[np.float32]


def in_blocks(
    query_block: int, candidate_block: int, *arguments: Any, **options: Any
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`nearest` with blocks of other sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weam_ray.measure.nearest.QUERY_BLOCK", query_block)
        patch.setattr("weam_ray.measure.nearest.CANDIDATE_BLOCK", candidate_block)
        return nearest(*arguments, **options)


def all_at_once(queries: Vectors, candidates: Vectors, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    left, right = (normalized(vectors).astype(np.float64) for vectors in (queries, candidates))
    cosines = (left[:, None, :] * right[None, :, :]).sum(2)
    found = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return found, np.take_along_axis(cosines, found, axis=1)


def few_values(rows: st.SearchStrategy[int]) -> st.SearchStrategy[Vectors]:
    """Vectors among which many are equal, or have the same direction."""
    return arrays.arrays(np.float32, st.tuples(rows, st.just(3)), elements=st.sampled_from([-1, 0, 1, 2, 0.1]))


def test_by_hand() -> None:
    queries = np.array([[1, 0], [0, 2], [0, 0]], np.float32)
    candidates = np.array([[0, 1], [3, 4], [5, 0]], np.float32)
    indices, cosines = nearest(queries, candidates, 2)
    assert indices.tolist() == [[2, 1], [0, 1], [0, 1]]
    np.testing.assert_allclose(cosines, [[1, 0.6], [1, 0.8], [0, 0]], atol=1e-7)


@given(few_values(st.integers(1, 6)), few_values(st.integers(1, 40)), st.integers(1, 5), st.data())
def test_blocks_change_nothing(queries: Vectors, candidates: Vectors, k: int, data: st.DataObject) -> None:
    """Not a bit, and ties go to the lower index."""
    expected = all_at_once(queries, candidates, k)
    sizes = data.draw(st.tuples(st.integers(1, 7), st.integers(1, 41)))
    for found, right in zip(in_blocks(*sizes, queries, candidates, k), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_blocks_change_nothing_of_what_is_nearly_tied() -> None:
    """Cosines within the error of a float32 product, and each candidate thrice."""
    generator = np.random.default_rng(0)
    candidates = 1 + 1e-5 * generator.normal(size=(500, 96)).astype(np.float32)
    candidates = np.concatenate([candidates] * 3)
    queries = 1 + 1e-5 * generator.normal(size=(30, 96)).astype(np.float32)
    expected = all_at_once(queries, candidates, 7)
    for sizes in ((30, 1500), (7, 64), (1, 1), (13, 501)):
        for found, right in zip(in_blocks(*sizes, queries, candidates, 7), expected, strict=True):
            np.testing.assert_array_equal(found, right)


def test_arrays_mapped_arrays_and_iterators(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    queries, candidates = (generator.normal(size=(size, 16)).astype(np.float32) for size in (20, 300))
    np.save(tmp_path / "candidates.npy", candidates)
    mapped = np.load(tmp_path / "candidates.npy", mmap_mode="r")
    expected = nearest(queries, candidates, 10)
    for given_ in (mapped, iter([candidates[:7], candidates[7:7], candidates[7:250], candidates[250:]])):
        for found, right in zip(in_blocks(8, 64, queries, given_, 10), expected, strict=True):
            np.testing.assert_array_equal(found, right)
    np.testing.assert_array_equal(nearest(queries, np.asfortranarray(candidates), 10)[1], expected[1])
    assert (
        precision_at_1(queries, candidates[:20]) == (nearest(queries, candidates[:20], 1)[0][:, 0] == range(20)).mean()
    )


def test_penalties() -> None:
    queries = np.array([[1, 0]], np.float32)
    candidates = np.array([[1, 0], [3, 4], [0, 1]], np.float32)
    indices, scores = in_blocks(512, 1, queries, candidates, 3, penalties=np.array([0.9, 0, 0]))
    assert indices.tolist() == [[1, 0, 2]]
    np.testing.assert_allclose(scores, [[0.6, 0.1, 0]], atol=1e-7)


def test_fewer_candidates_than_asked_for() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert nearest(vectors, vectors[:2], 5)[0].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert nearest(vectors, vectors[:0], 5)[0].shape == (3, 0)
    assert nearest(vectors[:0], vectors, 2)[0].shape == (0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number(value: float) -> None:
    wrong = np.array([[1, value]], np.float32)
    right = np.ones((1, 2), np.float32)
    for queries, candidates in ((wrong, right), (right, wrong)):
        with pytest.raises(ValueError, match="NaN or infinity"):
            nearest(queries, candidates, 1)


def test_memory_is_that_of_blocks() -> None:
    """Twenty times the candidates take no more memory; all cosines at once would take 160 MB."""

    def blocks(count: int) -> Iterator[Vectors]:
        generator = np.random.default_rng(2)
        for _ in range(count):
            yield generator.standard_normal((1000, 8), np.float32)

    def peak(count: int) -> int:
        tracemalloc.start()
        in_blocks(100, 500, queries, blocks(count), 5)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    queries = np.random.default_rng(3).standard_normal((1000, 8), np.float32)
    few, many = peak(2), peak(40)
    assert many < 1.2 * few
    assert many < 5e6
