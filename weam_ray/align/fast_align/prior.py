"""The diagonal prior of FastAlign and the choice of its tension (Dyer, Chahuneau & Smith 2013, sections 2 and 3).

Lengths: n words on the conditioning side, m on the generated side; positions i (conditioning) and j (generated) count
from 1. Both quotients of the feature are computed before they are subtracted: two equal words at the same distance
from the diagonal then tie exactly, and the first of them wins.
"""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def diagonal_feature(j, i, m, n):
    """h = -|i/n - j/m|, both quotients first."""
    return -abs(i / n - j / m)


@njit(cache=True)
def diagonal_partition(j, m, n, tension):
    """The sum of exp(tension h) over i = 1..n in closed form.

    The number of positions above the diagonal is taken modulo 2^32, as unsigned arithmetic has it; it matters in
    `tension_gradient` only, which exchanges the lengths.
    """
    below = np.int64((float(j) * n) / m)
    above = (n - below) % 4294967296
    ratio = math.exp(-tension / n)
    top = 0.0
    bottom = 0.0
    if above != 0:
        top = math.exp(tension * diagonal_feature(j, below + 1, m, n)) * (1.0 - ratio**above) / (1.0 - ratio)
    if below != 0:
        bottom = math.exp(tension * diagonal_feature(j, below, m, n)) * (1.0 - ratio**below) / (1.0 - ratio)
    return bottom + top


@njit(cache=True)
def fill_prior(prior, m, n, tension, null_probability):
    """prior[j, i] = P(a_j = i) of the words; the null word has `null_probability`."""
    for j in range(1, m + 1):
        partition = diagonal_partition(j, m, n, tension) / (1.0 - null_probability)
        for i in range(1, n + 1):
            prior[j - 1, i - 1] = math.exp(tension * diagonal_feature(j, i, m, n)) / partition


@njit(cache=True)
def _arithmetico_geometric(first, geometric, ratio, difference, terms):
    """A sum of `terms` terms, each the product of an arithmetic and a geometric progression."""
    last = geometric * ratio**terms
    return ((difference * (terms - 1) + first) * last - first * geometric) / (ratio - 1.0) - difference * (
        last - geometric * ratio
    ) / ((ratio - 1.0) * (ratio - 1.0))


@njit(cache=True)
def tension_gradient(j, m, n, tension):
    """The expected diagonal feature of generated word j under the prior.

    The partition has its two lengths exchanged: the published program has it so, and its tension follows from it.
    """
    partition = diagonal_partition(j, n, m, tension)
    below = np.int64((float(j) * n) / m)
    above = (n - below) % 4294967296
    ratio = math.exp(-tension / n)
    difference = -1.0 / n
    top = 0.0
    bottom = 0.0
    if above != 0:
        start = diagonal_feature(j, below + 1, m, n)
        top = _arithmetico_geometric(start, math.exp(tension * start), ratio, difference, above)
    if below != 0:
        start = diagonal_feature(j, below, m, n)
        bottom = _arithmetico_geometric(start, math.exp(tension * start), ratio, difference, below)
    return (top + bottom) / partition


@njit(cache=True)
def optimize_tension(tension, empirical, lengths, frequencies, num_tokens):
    """Eight gradient steps of the tension; `lengths` holds the distinct (m, n), `frequencies` how often each occurs."""
    for _ in range(8):
        expected = 0.0
        for k in range(len(frequencies)):
            m = lengths[k, 0]
            n = lengths[k, 1]
            sentence = 0.0
            for j in range(1, m + 1):
                sentence += tension_gradient(j, m, n, tension)
            expected += frequencies[k] * sentence
        tension += 20.0 * (empirical - expected / num_tokens)
        tension = min(max(tension, 0.1), 14.0)
    return tension
