"""Symmetrisation: one set of links from two directions, as the `atools` program of fast_align does it."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weam_ray.align.alignments import Links

METHODS = ("intersect", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and")
_INTERSECT, _UNION, _GROW, _FINAL, _FINAL_AND = range(5)


def symmetrize(forward: Links, reverse: Links, method: str) -> Links:
    """The links of each pair by one of METHODS, in (i, j) order.

    Raises:
        ValueError: an unknown method, or another number of pairs in the two directions.
    """
    if method not in METHODS:
        raise ValueError(f"symmetrization {method!r} is none of {', '.join(METHODS)}")
    if len(forward.offsets) != len(reverse.offsets):
        raise ValueError(f"{len(forward.offsets) - 1} forward and {len(reverse.offsets) - 1} reverse alignments")
    return Links(*_symmetrize(forward.links, forward.offsets, reverse.links, reverse.offsets, METHODS.index(method)))


def one_to_one(links: Links, forward: Links, reverse: Links, union_posteriors: NDArray[np.float32] | None) -> Links:
    """At most one link a word: the links by falling product of the two posteriors, ties by (i, j), each word once.

    `links` are a subset of the union of the two directions, in (i, j) order; `union_posteriors` has the posteriors of
    the whole union. Without posteriors only (i, j) decides. An intersection is one-to-one already.
    """
    union = symmetrize(forward, reverse, "union")
    if union_posteriors is None:
        products = np.zeros(len(union.links))
    else:
        products = union_posteriors[:, 0].astype(np.float64) * union_posteriors[:, 1]
    return Links(*_one_to_one(links.links, links.offsets, union.links, union.offsets, products))


@njit(cache=True)
def _has_neighbour(grid, i, j):
    rows, columns = grid.shape
    for a in range(max(0, i - 1), min(rows, i + 2)):
        for b in range(max(0, j - 1), min(columns, j + 2)):
            if (a != i or b != j) and grid[a, b]:
                return True
    return False


@njit(cache=True)
def _finish(chosen, links, row_used, column_used, only_free):
    """One pass over the links in (i, j) order: add those with a free word, or with both words free."""
    rows, columns = chosen.shape
    given = np.zeros((rows, columns), np.bool_)
    for k in range(len(links)):
        given[links[k, 0], links[k, 1]] = True
    for i in range(rows):
        for j in range(columns):
            if not given[i, j] or chosen[i, j]:
                continue
            taken = (row_used[i] or column_used[j]) if only_free else (row_used[i] and column_used[j])
            if not taken:
                chosen[i, j] = True
                row_used[i] = True
                column_used[j] = True


@njit(cache=True)
def _grow(chosen, union, row_used, column_used):
    """Sweeps over the union in (i, j) order until one adds nothing; a link that is added counts at once."""
    rows, columns = chosen.shape
    added = True
    while added:
        added = False
        for i in range(rows):
            for j in range(columns):
                if union[i, j] and not chosen[i, j] and not (row_used[i] and column_used[j]):
                    if _has_neighbour(chosen, i, j):
                        chosen[i, j] = True
                        row_used[i] = True
                        column_used[j] = True
                        added = True


@njit(cache=True)
def _symmetrize(forward, forward_offsets, reverse, reverse_offsets, method):
    num_pairs = len(forward_offsets) - 1
    result = np.empty((len(forward) + len(reverse), 2), np.int16)
    offsets = np.zeros(num_pairs + 1, np.int64)
    filled = 0
    for s in range(num_pairs):
        left = forward[forward_offsets[s] : forward_offsets[s + 1]]
        right = reverse[reverse_offsets[s] : reverse_offsets[s + 1]]
        rows = 0
        columns = 0
        for k in range(len(left)):
            rows = max(rows, left[k, 0] + 1)
            columns = max(columns, left[k, 1] + 1)
        for k in range(len(right)):
            rows = max(rows, right[k, 0] + 1)
            columns = max(columns, right[k, 1] + 1)
        votes = np.zeros((rows, columns), np.int8)
        for k in range(len(left)):
            votes[left[k, 0], left[k, 1]] |= 1
        for k in range(len(right)):
            votes[right[k, 0], right[k, 1]] |= 2
        chosen = votes > 0 if method == _UNION else votes == 3
        if method >= _GROW:
            row_used = np.zeros(rows, np.bool_)
            column_used = np.zeros(columns, np.bool_)
            for i in range(rows):
                for j in range(columns):
                    if chosen[i, j]:
                        row_used[i] = True
                        column_used[j] = True
            _grow(chosen, votes > 0, row_used, column_used)
            if method >= _FINAL:
                _finish(chosen, left, row_used, column_used, method == _FINAL_AND)
                _finish(chosen, right, row_used, column_used, method == _FINAL_AND)
        for i in range(rows):
            for j in range(columns):
                if chosen[i, j]:
                    result[filled, 0] = i
                    result[filled, 1] = j
                    filled += 1
        offsets[s + 1] = filled
    return result[:filled], offsets


@njit(cache=True)
def _one_to_one(links, offsets, union, union_offsets, products):
    result = np.empty_like(links)
    result_offsets = np.zeros_like(offsets)
    filled = 0
    for s in range(len(offsets) - 1):
        first = offsets[s]
        count = offsets[s + 1] - first
        weights = np.zeros(count)
        rows = 0
        columns = 0
        u = union_offsets[s]
        for k in range(count):
            i = links[first + k, 0]
            j = links[first + k, 1]
            while union[u, 0] != i or union[u, 1] != j:
                u += 1
            weights[k] = products[u]
            rows = max(rows, i + 1)
            columns = max(columns, j + 1)
        row_used = np.zeros(rows, np.bool_)
        column_used = np.zeros(columns, np.bool_)
        kept = np.zeros(count, np.bool_)
        for k in np.argsort(-weights, kind="mergesort"):  # stable: ties stay in (i, j) order
            i = links[first + k, 0]
            j = links[first + k, 1]
            if not row_used[i] and not column_used[j]:
                row_used[i] = True
                column_used[j] = True
                kept[k] = True
        for k in range(count):
            if kept[k]:
                result[filled] = links[first + k]
                filled += 1
        result_offsets[s + 1] = filled
    return result[:filled], result_offsets
