"""Compiled kernels of FastAlign (Dyer, Chahuneau & Smith 2013), float64.

Lengths: n words on the conditioning side, m on the generated side. Positions i (conditioning) and j (generated) count
from 1 in the formulas and from 0 in the arrays. Sentences lie one after another in flat arrays of word ids, sentence s
in `[offsets[s], offsets[s + 1])`; word ids count from 1, id 0 on the conditioning side is the null word.

Expected counts are added up as 64-bit fixed-point numbers of 2^-32, so that addition is exact and neither the order
of the sentences nor their distribution over shards changes a bit of the result.
"""

import math

import numpy as np
from numba import njit

COUNT_SCALE = float(2**32)
UNSEEN = 1e-9  # probability of a pair that was never seen together, and of every pair before the first iteration


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
def count_rows(source, source_offsets, target_offsets, target_order, order_offsets, num_source, num_target):
    """Number of distinct generated words beside each conditioning word; row 0, the null word, has all of them."""
    lengths = np.zeros(num_source + 1, np.int64)
    lengths[0] = num_target
    seen = np.zeros(num_source + 1, np.int64)
    for f in range(1, num_target + 1):
        for k in range(order_offsets[f], order_offsets[f + 1]):
            s = np.searchsorted(target_offsets, target_order[k], side="right") - 1
            for p in range(source_offsets[s], source_offsets[s + 1]):
                e = source[p]
                if seen[e] != f:
                    seen[e] = f
                    lengths[e] += 1
    return lengths


@njit(cache=True)
def fill_rows(
    source,
    source_offsets,
    target_offsets,
    target_order,
    order_offsets,
    num_target,
    row_offsets,
    cell_offsets,
    cells,
):
    """Columns of every row in rising order, and the place in the table of every cell (i, j) of every sentence.

    Generated words are visited in rising order, so each row grows sorted and nothing has to be sorted.
    """
    num_source = len(row_offsets) - 2
    columns = np.empty(row_offsets[-1], np.int32)
    columns[:num_target] = np.arange(1, num_target + 1)
    filled = np.zeros(num_source + 1, np.int64)
    seen = np.zeros(num_source + 1, np.int64)
    for f in range(1, num_target + 1):
        for k in range(order_offsets[f], order_offsets[f + 1]):
            position = target_order[k]
            s = np.searchsorted(target_offsets, position, side="right") - 1
            j = position - target_offsets[s]
            n = source_offsets[s + 1] - source_offsets[s]
            base = cell_offsets[s] + j * n
            for i in range(n):
                e = source[source_offsets[s] + i]
                if seen[e] != f:
                    seen[e] = f
                    columns[row_offsets[e] + filled[e]] = f
                    filled[e] += 1
                cells[base + i] = row_offsets[e] + filled[e] - 1
    return columns


@njit(cache=True)
def group_by_word(words, num_words):
    """Positions of each word, grouped by word in their order: a counting sort. Returns (positions, offsets by word)."""
    offsets = np.zeros(num_words + 2, np.int64)
    for word in words:
        offsets[word + 1] += 1
    offsets = np.cumsum(offsets)
    place = offsets.copy()
    positions = np.empty(len(words), np.int64)
    for position in range(len(words)):
        word = words[position]
        positions[place[word]] = position
        place[word] += 1
    return positions, offsets


@njit(cache=True)
def expectation(
    order,
    source_offsets,
    target,
    target_offsets,
    cell_offsets,
    cells,
    table,
    tension,
    null_probability,
    counts,
):
    """The E-step over the sentences of `order` (grouped by lengths): adds posteriors to `counts`.

    `table` and `counts` run over the table of co-occurring pairs; the null word's row comes first.

    Returns:
        (log likelihood, expected links to null, sum of the diagonal feature, with j counted from 0), as float64 that
        hold integers of 2^-20, 2^-32 and 2^-32.
    """
    longest_source = 1
    longest_target = 1
    for s in order:
        longest_source = max(longest_source, source_offsets[s + 1] - source_offsets[s])
        longest_target = max(longest_target, target_offsets[s + 1] - target_offsets[s])
    prior = np.empty((longest_target, longest_source))
    feature = np.empty((longest_target, longest_source))
    joint = np.empty(longest_source)
    last_m = -1
    last_n = -1
    log_likelihood = np.int64(0)
    null_count = np.int64(0)
    feature_sum = np.int64(0)
    for s in order:
        n = source_offsets[s + 1] - source_offsets[s]
        m = target_offsets[s + 1] - target_offsets[s]
        if m == 0 or n == 0:
            continue
        if m != last_m or n != last_n:
            fill_prior(prior, m, n, tension, null_probability)
            for j in range(m):
                for i in range(1, n + 1):
                    feature[j, i - 1] = diagonal_feature(j, i, m, n)
            last_m = m
            last_n = n
        sentence_likelihood = 0.0
        sentence_null = 0.0
        sentence_feature = 0.0
        for j in range(m):
            f = target[target_offsets[s] + j]
            base = cell_offsets[s] + j * n
            null_joint = table[f - 1] * null_probability
            total = null_joint
            for i in range(n):
                joint[i] = table[cells[base + i]] * prior[j, i]
                total += joint[i]
            posterior = null_joint / total
            counts[f - 1] += np.int64(posterior * COUNT_SCALE + 0.5)
            sentence_null += posterior
            for i in range(n):
                posterior = joint[i] / total
                counts[cells[base + i]] += np.int64(posterior * COUNT_SCALE + 0.5)
                sentence_feature += feature[j, i] * posterior
            sentence_likelihood += math.log(total)
        log_likelihood += np.int64(math.floor(sentence_likelihood * 1048576.0))
        null_count += np.int64(sentence_null * COUNT_SCALE)
        feature_sum += np.int64(math.floor(sentence_feature * COUNT_SCALE))
    return log_likelihood, null_count, feature_sum


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


@njit(cache=True)
def digamma(x):
    """The digamma function, by recurrence up to 7 and an asymptotic series (error below 1e-12)."""
    result = 0.0
    while x < 7.0:
        result -= 1.0 / x
        x += 1.0
    x -= 0.5
    inverse = 1.0 / x
    square = inverse * inverse
    fourth = square * square
    return (
        result
        + math.log(x)
        + (1.0 / 24.0) * square
        - (7.0 / 960.0) * fourth
        + (31.0 / 8064.0) * fourth * square
        - (127.0 / 30720.0) * fourth * fourth
    )


@njit(cache=True)
def maximization(row_offsets, counts, alpha, table):
    """The variational Bayes M-step: t(f|e) = exp(digamma(count + alpha) - digamma(row total)); zeroes the counts."""
    for e in range(len(row_offsets) - 1):
        first = row_offsets[e]
        last = row_offsets[e + 1]
        if first == last:
            continue
        total = np.int64(0)
        for k in range(first, last):
            total += counts[k]
        normalizer = digamma(total / COUNT_SCALE + alpha * (last - first))
        for k in range(first, last):
            table[k] = math.exp(digamma(counts[k] / COUNT_SCALE + alpha) - normalizer)
            counts[k] = 0


@njit(cache=True)
def probability(row_offsets, columns, table, e, f):
    """t(f|e), by binary search in the row of e; 1e-9 for a pair not seen together, and for an unknown word (-1)."""
    if e < 0 or f < 0:
        return UNSEEN
    low = row_offsets[e]
    high = row_offsets[e + 1]
    while low < high:
        middle = (low + high) >> 1
        if columns[middle] < f:
            low = middle + 1
        else:
            high = middle
    if low < row_offsets[e + 1] and columns[low] == f:
        return table[low]
    return UNSEEN


@njit(cache=True)
def log_poisson(m, rate):
    return m * math.log(rate) - math.lgamma(m + 1.0) - rate


@njit(cache=True)
def viterbi(source, target, row_offsets, columns, table, tension, null_probability, length_ratio, posteriors, best):
    """The best conditioning word of each generated word of one sentence pair.

    Args:
        source: n word ids of the conditioning side. target: m word ids of the generated side.
        posteriors: (m, n) array to fill with the posteriors of the links.
        best: m places to fill with positions from 0, -1 for the null word, which wins ties, as does the first word.

    Returns:
        the score, log Poisson(m; 0.05 + n length_ratio) + log likelihood.
    """
    n = len(source)
    m = len(target)
    prior = np.empty((m, n))
    fill_prior(prior, m, n, tension, null_probability)
    score = log_poisson(m, 0.05 + n * length_ratio)
    for j in range(m):
        null_joint = probability(row_offsets, columns, table, 0, target[j]) * null_probability
        total = null_joint
        highest = null_joint
        best[j] = -1
        for i in range(n):
            joint = probability(row_offsets, columns, table, source[i], target[j]) * prior[j, i]
            posteriors[j, i] = joint
            total += joint
            if joint > highest:
                highest = joint
                best[j] = i
        for i in range(n):
            posteriors[j, i] /= total
        score += math.log(total)
    return score


@njit(cache=True)
def decode(
    source,
    source_offsets,
    target,
    target_offsets,
    forward_rows,
    forward_columns,
    forward_table,
    reverse_rows,
    reverse_columns,
    reverse_table,
    forward_settings,
    reverse_settings,
):
    """Best links of both directions for every sentence pair, and the posteriors of their union.

    `*_settings` are (tension, null probability, length ratio).

    Returns:
        best source position of each target word and best target position of each source word (-1 for none), the two
        scores of each pair, and for each pair the posteriors (forward, reverse) of the union's links in (i, j) order,
        flat, with their offsets. A pair with an empty side has no links and scores of zero.
    """
    num_pairs = len(source_offsets) - 1
    forward_best = np.full(len(target), -1, np.int16)
    reverse_best = np.full(len(source), -1, np.int16)
    scores = np.zeros((num_pairs, 2))
    union = np.empty((len(source) + len(target), 2), np.float32)
    union_offsets = np.zeros(num_pairs + 1, np.int64)
    filled = 0
    for s in range(num_pairs):
        left = source[source_offsets[s] : source_offsets[s + 1]]
        right = target[target_offsets[s] : target_offsets[s + 1]]
        n = len(left)
        m = len(right)
        if n > 0 and m > 0:
            forward = np.empty((m, n))
            reverse = np.empty((n, m))
            to_left = forward_best[target_offsets[s] : target_offsets[s + 1]]
            to_right = reverse_best[source_offsets[s] : source_offsets[s + 1]]
            tension, null_probability, ratio = forward_settings
            scores[s, 0] = viterbi(
                left, right, forward_rows, forward_columns, forward_table, tension, null_probability, ratio,
                forward, to_left,
            )  # fmt: skip
            tension, null_probability, ratio = reverse_settings
            scores[s, 1] = viterbi(
                right, left, reverse_rows, reverse_columns, reverse_table, tension, null_probability, ratio,
                reverse, to_right,
            )  # fmt: skip
            for i in range(n):
                for j in range(m):
                    if to_left[j] == i or to_right[i] == j:
                        union[filled, 0] = forward[j, i]
                        union[filled, 1] = reverse[i, j]
                        filled += 1
        union_offsets[s + 1] = filled
    return forward_best, reverse_best, scores, union[:filled], union_offsets
