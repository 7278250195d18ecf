"""Symmetrisation: one set of links from two directions, as the `atools` program of fast_align does it."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weam_ray.align.links import Links

METHODS = ("intersect", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and")
_INTERSECT, _UNION, _GROW, _FINAL, _FINAL_AND = range(5)
_FORWARD, _REVERSE, _CHOSEN = 1, 2, 4


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
def _has_neighbour(grid, place, width):
    """Whether one of the eight cells around a cell is chosen; the grid has a border of empty cells."""
    above = place - width
    below = place + width
    around = grid[above - 1] | grid[above] | grid[above + 1] | grid[place - 1] | grid[place + 1]
    return (around | grid[below - 1] | grid[below] | grid[below + 1]) & _CHOSEN != 0


@njit(cache=True)
def _choose(grid, place, width, row_used, column_used):
    grid[place] |= _CHOSEN
    row_used[place // width] = True
    column_used[place % width] = True


@njit(cache=True)
def _grow(grid, union, width, row_used, column_used):
    """Sweeps over the union in (i, j) order until one adds nothing; a link that is added counts at once."""
    added = True
    while added:
        added = False
        for place in union:
            if grid[place] & _CHOSEN or (row_used[place // width] and column_used[place % width]):
                continue
            if _has_neighbour(grid, place, width):
                _choose(grid, place, width, row_used, column_used)
                added = True


@njit(cache=True)
def _finish(grid, union, width, row_used, column_used, direction, only_free):
    """One pass over the links of a direction in (i, j) order: add those with a free word, or with both words free."""
    for place in union:
        if not grid[place] & direction or grid[place] & _CHOSEN:
            continue
        row = row_used[place // width]
        column = column_used[place % width]
        if not ((row or column) if only_free else (row and column)):
            _choose(grid, place, width, row_used, column_used)


@njit(cache=True)
def _mark(grid, width, links, direction):
    for k in range(len(links)):
        grid[(np.int64(links[k, 0]) + 1) * width + links[k, 1] + 1] |= direction


@njit(cache=True)
def _symmetrize(forward, forward_offsets, reverse, reverse_offsets, method):
    num_pairs = len(forward_offsets) - 1
    result = np.empty((len(forward) + len(reverse), 2), np.int16)
    offsets = np.zeros(num_pairs + 1, np.int64)
    grid = np.zeros(0, np.uint8)  # of one pair at a time: which directions have the link, and whether it is chosen
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
        width = columns + 2
        if (rows + 2) * width > len(grid):
            grid = np.zeros((rows + 2) * width, np.uint8)
        _mark(grid, width, left, _FORWARD)
        _mark(grid, width, right, _REVERSE)
        union = np.empty(len(left) + len(right), np.int64)
        size = 0
        for i in range(1, rows + 1):
            for cell in range(i * width + 1, i * width + 1 + columns):
                if grid[cell]:
                    union[size] = cell
                    size += 1
        union = union[:size]
        row_used = np.zeros(rows + 2, np.bool_)
        column_used = np.zeros(width, np.bool_)
        for place in union:
            if method == _UNION or grid[place] == _FORWARD | _REVERSE:
                _choose(grid, place, width, row_used, column_used)
        if method >= _GROW:
            _grow(grid, union, width, row_used, column_used)
        if method >= _FINAL:
            _finish(grid, union, width, row_used, column_used, _FORWARD, method == _FINAL_AND)
            _finish(grid, union, width, row_used, column_used, _REVERSE, method == _FINAL_AND)
        for place in union:
            if grid[place] & _CHOSEN:
                result[filled, 0] = place // width - 1
                result[filled, 1] = place % width - 1
                filled += 1
            grid[place] = 0
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
