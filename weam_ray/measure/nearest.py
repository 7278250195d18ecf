"""Nearest neighbours by cosine among candidates that come in blocks."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

QUERY_BLOCK, CANDIDATE_BLOCK = 512, 8192  # rows whose product is held at a time
_CHUNK = 2**21  # numbers that are held in float64 at a time


def nearest(
    queries: NDArray[np.float32],
    candidates: NDArray[np.float32] | Iterable[NDArray[np.float32]],
    k: int,
    penalties: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the k nearest candidates of each query by cosine, best first: (Q, k) indices and (Q, k) cosines.

    Ties go to the lower index, and the result is the same to the bit for blocks of any size: the float32 product of two
    blocks, whose last bits depend on the sizes, only says which candidates may be among the best. Those within its
    error bound, (d + 16) 2^-24 by Cauchy-Schwarz, are scored again in float64, one by one. That costs little unless
    nearly all candidates are alike.

    Memory is that of a few (query block, candidate block) matrices of float32, and 16 k bytes a query. With fewer than
    k candidates there are as many columns as candidates.

    Args:
        queries: (Q, d), in memory or mapped.
        candidates: (N, d), in memory or mapped, or blocks of them in their order, read once.
        penalties: (N,) taken off the cosine of each candidate, such as half its hubness for CSLS.

    Raises:
        ValueError: vectors with NaN or infinity.
    """
    assert k > 0
    indices = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf)
    seen = 0
    for block in _blocks(candidates, CANDIDATE_BLOCK):
        units = _units(block)
        off = None if penalties is None else penalties[seen : seen + len(units)]
        for start in range(0, len(queries), QUERY_BLOCK):
            part = slice(start, start + QUERY_BLOCK)
            _improve(indices[part], scores[part], _units(queries[part]), units, seen, off)
        seen += len(units)
    assert penalties is None or len(penalties) == seen
    return indices[:, :seen], scores[:, :seen]


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, d) vectors of length 1; a vector of zeros stays one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _blocks(
    candidates: NDArray[np.float32] | Iterable[NDArray[np.float32]], size: int
) -> Iterator[NDArray[np.float32]]:
    for block in [candidates] if isinstance(candidates, np.ndarray) else candidates:
        for start in range(0, len(block), size):
            yield block[start : start + size]


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of length 1, each computed alike whatever block it is in; a vector of zeros stays one."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError("vectors with NaN or infinity have no nearest neighbours")
    return normalized(vectors)


def _improve(
    indices: NDArray[np.int64],
    scores: NDArray[np.float64],
    queries: NDArray[np.float32],
    block: NDArray[np.float32],
    first: int,
    penalties: NDArray[np.float64] | None,
) -> None:
    """Take the candidates of a block, the first of which has the index `first`, into the best so far, in place."""
    k = indices.shape[1]
    close = queries @ block.T
    error = (queries.shape[1] + 16) * 2.0**-24
    if penalties is not None:
        close -= penalties.astype(np.float32)
        error *= 1 + float(np.abs(penalties).max())
    floors = (scores[:, -1:] - error).astype(np.float32)
    passing = close >= floors
    if k < len(block) and np.count_nonzero(passing) > 4 * k * len(queries):
        kth = np.partition(close, -k, axis=1)[:, -k][:, None]
        passing = close >= np.maximum(floors, kth - 2 * error)
    rows, columns = np.nonzero(passing)
    exact = np.empty(len(rows))
    step = max(1, _CHUNK // queries.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        products = queries[rows[part]].astype(np.float64)
        products *= block[columns[part]]
        exact[part] = products.sum(axis=1)
    if penalties is not None:
        exact -= penalties[columns]
    all_rows = np.concatenate([np.repeat(np.arange(len(queries)), k), rows])
    all_indices = np.concatenate([indices.ravel(), first + columns])
    all_scores = np.concatenate([scores.ravel(), exact])
    order = np.lexsort((all_indices, -all_scores, all_rows))
    starts = np.searchsorted(all_rows[order], np.arange(len(queries)))
    best = order[starts[:, None] + np.arange(k)]
    indices[:], scores[:] = all_indices[best], all_scores[best]
