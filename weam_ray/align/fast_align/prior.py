"""The diagonal prior of FastAlign and the choice of its tension (Dyer, Chahuneau & Smith 2013, sections 2 and 3).

Lengths: n words on the conditioning side, m on the generated side; positions i (conditioning) and j (generated) count
from 1. Both quotients of the feature are computed before they are subtracted: two equal words at the same distance
from the diagonal then tie exactly, and the first of them wins.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MOST_WORDS = 256  # of a side of the sentences whose priors are remembered


@njit(cache=True, nogil=True)
def diagonal_feature(j, i, m, n):
    """h = -|i/n - j/m|, both quotients first."""
    return -abs(i / n - j / m)


@njit(cache=True, nogil=True)
def diagonal_partition(j, m, n, tension):
    """The sum of exp(tension h) over i = 1..n in closed form.

    The number of positions above the diagonal is taken modulo 2^32, as unsigned arithmetic has it; it matters only in
    the published form of `tension_gradient`, which exchanges the lengths.
    """
    below = np.int64((float(j) * n) / m)
    above = (n - below) % 4294967296
    ratio = math.exp(-tension / n)
    top = 0.0
    bottom = 0.0
    if above != 0:
        top = (
            math.exp(tension * diagonal_feature(j, below + 1, m, n))
            * (1.0 - math.exp(-tension / n * above))
            / (1.0 - ratio)
        )
    if below != 0:
        bottom = (
            math.exp(tension * diagonal_feature(j, below, m, n))
            * (1.0 - math.exp(-tension / n * below))
            / (1.0 - ratio)
        )
    return bottom + top


class Priors(NamedTuple):
    """Priors of both directions by lengths, for one choice of tensions; filled as they are asked for, bounded.

    Those of the lengths (m, n) begin at `starts[m, n]` of `values`, which are (2, cells), forward and reverse; -1 for
    none yet. `used[0]` cells are in use.
    """

    starts: NDArray[np.int32]
    values: NDArray[np.float64]
    used: NDArray[np.int64]

    @classmethod
    def empty(cls, num_cells: int) -> "Priors":
        """Room for `num_cells` cells, 16 bytes each."""
        starts = np.full((MOST_WORDS, MOST_WORDS), -1, np.int32)
        return cls(starts, np.empty((2, num_cells)), np.zeros(1, np.int64))


@njit(cache=True, nogil=True)
def fill_prior(forward, reverse, m, n, tensions, null_probability):
    """forward[i * m + j] = P(a_j = i), reverse[i * m + j] = P(a_i = j), positions from 0; the feature is the same.

    The null word has `null_probability`.
    """
    forward_partition = np.empty(m)
    target_places = np.arange(1, m + 1) / m
    for j in range(m):
        forward_partition[j] = diagonal_partition(j + 1, m, n, tensions[0]) / (1.0 - null_probability)
    for i in range(n):
        reverse_partition = diagonal_partition(i + 1, n, m, tensions[1]) / (1.0 - null_probability)
        source_place = (i + 1) / n
        for j in range(m):
            feature = -abs(source_place - target_places[j])  # `diagonal_feature`
            forward[i * m + j] = math.exp(tensions[0] * feature) / forward_partition[j]
            reverse[i * m + j] = math.exp(tensions[1] * feature) / reverse_partition


@njit(cache=True, nogil=True)
def prior_of(m, n, tensions, null_probability, priors, scratch):
    """`fill_prior` for lengths m and n: remembered in `priors`, or in `scratch` where that is full."""
    size = m * n
    begin = np.int64(0)
    values = scratch
    known = False
    if m < MOST_WORDS and n < MOST_WORDS:
        begin = np.int64(priors.starts[m, n])
        if begin >= 0:
            known = True
        elif priors.used[0] + size <= priors.values.shape[1]:
            begin = priors.used[0]
            priors.used[0] += size
            priors.starts[m, n] = begin
        if begin >= 0:
            values = priors.values
        else:
            begin = np.int64(0)
    forward = values[0, begin : begin + size]
    reverse = values[1, begin : begin + size]
    if not known:
        fill_prior(forward, reverse, m, n, tensions, null_probability)
    return forward, reverse


@njit(cache=True, nogil=True)
def _arithmetico_geometric(first, geometric, ratio, difference, terms, power):
    """A sum of `terms` terms, each the product of an arithmetic and a geometric progression; power = ratio^terms."""
    last = geometric * power
    return ((difference * (terms - 1) + first) * last - first * geometric) / (ratio - 1.0) - difference * (
        last - geometric * ratio
    ) / ((ratio - 1.0) * (ratio - 1.0))


@njit(cache=True, nogil=True)
def tension_gradient(j, m, n, tension, exact):
    """The expected diagonal feature of generated word j under the prior: the derivative of its log partition.

    Unless it is to be `exact`, the partition has its two lengths exchanged: the published program has it so.
    """
    partition = diagonal_partition(j, m, n, tension) if exact else diagonal_partition(j, n, m, tension)
    below = np.int64((float(j) * n) / m)
    above = (n - below) % 4294967296
    ratio = math.exp(-tension / n)
    difference = -1.0 / n
    top = 0.0
    bottom = 0.0
    if above != 0:
        start = diagonal_feature(j, below + 1, m, n)
        power = math.exp(-tension / n * above)
        top = _arithmetico_geometric(start, math.exp(tension * start), ratio, difference, above, power)
    if below != 0:
        start = diagonal_feature(j, below, m, n)
        power = math.exp(-tension / n * below)
        bottom = _arithmetico_geometric(start, math.exp(tension * start), ratio, difference, below, power)
    return (top + bottom) / partition


@njit(cache=True, nogil=True)
def optimize_tension(tension, empirical, lengths, frequencies, num_tokens, exact):
    """Eight gradient steps of the tension; `lengths` holds the distinct (m, n), `frequencies` how often each occurs."""
    for _ in range(8):
        expected = 0.0
        for k in range(len(frequencies)):
            m = lengths[k, 0]
            n = lengths[k, 1]
            sentence = 0.0
            for j in range(1, m + 1):
                sentence += tension_gradient(j, m, n, tension, exact)
            expected += frequencies[k] * sentence
        tension += 20.0 * (empirical - expected / num_tokens)
        tension = min(max(tension, 0.1), 14.0)
    return tension
