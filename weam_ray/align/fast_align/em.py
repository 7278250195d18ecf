"""The E-step, the M-step and the decoding of FastAlign, compiled, float64, both directions in one pass.

Forward means that source words i = 1..n generate target words j = 1..m, reverse the opposite. A word pair has a
record of four numbers of 8 bytes: t(f|e), t(e|f), and the two expected counts as integers; one look-up serves both
directions, the next iteration, and the decoding.

Expected counts are 64-bit fixed-point numbers of 2^-32, so that their addition is exact: neither the order of the
sentences nor their distribution over shards changes a bit of the result.
"""

import math

import numpy as np
from numba import njit

from weam_ray.align.fast_align.prior import diagonal_feature, fill_prior

COUNT_SCALE = float(2**32)
LIKELIHOOD_SCALE = float(2**20)
UNSEEN = 1e-9  # probability of a pair that was never seen together, and of every pair before the first iteration


@njit(cache=True)
def fill_priors(cell_prior, forward_prior, reverse_prior, m, n, tensions, null_probability):
    """cell_prior[i * m + j]: the priors of the link forward and reverse, and the features that fit the tensions.

    The features count the generated position from 0, as the published program does.
    """
    fill_prior(forward_prior, m, n, tensions[0], null_probability)
    fill_prior(reverse_prior, n, m, tensions[1], null_probability)
    for i in range(n):
        for j in range(m):
            cell_prior[i * m + j, 0] = forward_prior[j, i]
            cell_prior[i * m + j, 1] = reverse_prior[i, j]
            cell_prior[i * m + j, 2] = diagonal_feature(j, i + 1, m, n)
            cell_prior[i * m + j, 3] = diagonal_feature(i, j + 1, n, m)


@njit(cache=True)
def largest(source_offsets, target_offsets):
    """The largest m, n and n * m of some sentences."""
    longest_target = 1
    longest_source = 1
    most_cells = 1
    for s in range(len(source_offsets) - 1):
        n = source_offsets[s + 1] - source_offsets[s]
        m = target_offsets[s + 1] - target_offsets[s]
        longest_source = max(longest_source, n)
        longest_target = max(longest_target, m)
        most_cells = max(most_cells, n * m)
    return longest_target, longest_source, most_cells


@njit(cache=True)
def joint_probabilities(places, records, cell_prior, n, m, joint, forward_total, reverse_total):
    """joint[i * m + j] = t * prior of both directions, added to the totals of target word j and of source word i.

    The totals hold the null word's part already; words are added in the order of their positions.
    """
    cell = 0
    for i in range(n):
        total = reverse_total[i]
        for j in range(m):
            place = places[cell]
            forward = records[place, 0] * cell_prior[cell, 0]
            reverse = records[place, 1] * cell_prior[cell, 1]
            joint[cell, 0] = forward
            joint[cell, 1] = reverse
            forward_total[j] += forward
            total += reverse
            cell += 1
        reverse_total[i] = total


@njit(cache=True)
def expectation(
    order,
    source,
    source_offsets,
    target,
    target_offsets,
    cell_offsets,
    cells,
    records,
    counts,
    forward_null,
    reverse_null,
    tensions,
    null_probability,
    forward_null_counts,
    reverse_null_counts,
):
    """The E-step over the sentences of `order` (grouped by lengths, so that a prior serves all of them).

    Args:
        cells: uint32, the record of each cell. records: (pairs, 4) float64; counts: the same memory as int64.
        forward_null: t(f|null) of each target word; reverse_null: t(e|null) of each source word.
        forward_null_counts, reverse_null_counts: int64 counts to add to.

    Returns:
        int64 (2, 3), forward and reverse: log likelihood in 2^-20, expected links to null and the sum of the
        diagonal feature in 2^-32.
    """
    longest_target, longest_source, most_cells = largest(source_offsets, target_offsets)
    forward_prior = np.empty((longest_target, longest_source))
    reverse_prior = np.empty((longest_source, longest_target))
    cell_prior = np.empty((most_cells, 4))
    joint = np.empty((most_cells, 2))
    forward_total = np.empty(longest_target)
    reverse_total = np.empty(longest_source)
    statistics = np.zeros((2, 3), np.int64)
    last_m = -1
    last_n = -1
    for s in order:
        source_begin = source_offsets[s]
        target_begin = target_offsets[s]
        n = source_offsets[s + 1] - source_begin
        m = target_offsets[s + 1] - target_begin
        if m != last_m or n != last_n:
            fill_priors(cell_prior, forward_prior, reverse_prior, m, n, tensions, null_probability)
            last_m = m
            last_n = n
        places = cells[cell_offsets[s] : cell_offsets[s + 1]]
        for j in range(m):
            forward_total[j] = forward_null[target[target_begin + j]] * null_probability
        for i in range(n):
            reverse_total[i] = reverse_null[source[source_begin + i]] * null_probability
        joint_probabilities(places, records, cell_prior, n, m, joint, forward_total, reverse_total)

        # totals become the factors that turn joint probabilities into scaled posteriors
        likelihood = 0.0
        to_null = 0.0
        for j in range(m):
            f = target[target_begin + j]
            likelihood += math.log(forward_total[j])
            inverse = 1.0 / forward_total[j]
            posterior = forward_null[f] * null_probability * inverse
            to_null += posterior
            forward_null_counts[f] += np.int64(posterior * COUNT_SCALE + 0.5)
            forward_total[j] = inverse * COUNT_SCALE
        statistics[0, 0] += np.int64(math.floor(likelihood * LIKELIHOOD_SCALE))
        statistics[0, 1] += np.int64(to_null * COUNT_SCALE)
        likelihood = 0.0
        to_null = 0.0
        for i in range(n):
            e = source[source_begin + i]
            likelihood += math.log(reverse_total[i])
            inverse = 1.0 / reverse_total[i]
            posterior = reverse_null[e] * null_probability * inverse
            to_null += posterior
            reverse_null_counts[e] += np.int64(posterior * COUNT_SCALE + 0.5)
            reverse_total[i] = inverse * COUNT_SCALE
        statistics[1, 0] += np.int64(math.floor(likelihood * LIKELIHOOD_SCALE))
        statistics[1, 1] += np.int64(to_null * COUNT_SCALE)

        forward_feature = 0.0
        reverse_feature = 0.0
        cell = 0
        for i in range(n):
            factor = reverse_total[i]
            for j in range(m):
                place = places[cell]
                forward = joint[cell, 0] * forward_total[j]
                reverse = joint[cell, 1] * factor
                forward_feature += cell_prior[cell, 2] * forward
                reverse_feature += cell_prior[cell, 3] * reverse
                counts[place, 2] += np.int64(forward + 0.5)
                counts[place, 3] += np.int64(reverse + 0.5)
                cell += 1
        statistics[0, 2] += np.int64(math.floor(forward_feature))
        statistics[1, 2] += np.int64(math.floor(reverse_feature))
    return statistics


@njit(cache=True)
def exp_digamma(x):
    """exp(digamma(x)) for x > 0: the recurrence up to 7, then an asymptotic series (error of digamma below 1e-10)."""
    shifted = 0.0
    while x < 7.0:
        shifted += 1.0 / x
        x += 1.0
    x -= 0.5
    inverse = 1.0 / x
    square = inverse * inverse
    fourth = square * square
    return x * math.exp(
        (1.0 / 24.0) * square
        - (7.0 / 960.0) * fourth
        + (31.0 / 8064.0) * fourth * square
        - (127.0 / 30720.0) * fourth * fourth
        - shifted
    )


@njit(cache=True)
def add_totals(row_offsets, columns, counts, column_totals):
    """Sums of counts (pairs, 2): forward by row, returned; reverse by column, added to `column_totals`."""
    row_totals = np.zeros(len(row_offsets) - 1, np.int64)
    for row in range(len(row_totals)):
        total = np.int64(0)
        for pair in range(row_offsets[row], row_offsets[row + 1]):
            total += counts[pair, 0]
            column_totals[columns[pair]] += counts[pair, 1]
        row_totals[row] = total
    return row_totals


@njit(cache=True)
def normalizers(totals, lengths, alpha):
    """1 / exp(digamma(total + alpha * length)) of each word; a word without pairs has none and gets 1."""
    result = np.ones(len(totals))
    for word in range(len(totals)):
        if lengths[word] > 0:
            result[word] = 1.0 / exp_digamma(totals[word] / COUNT_SCALE + alpha * lengths[word])
    return result


@njit(cache=True)
def maximize(row_offsets, columns, counts, row_normalizers, column_normalizers, alpha):
    """The variational Bayes M-step of both directions, exp(digamma(count + alpha) - digamma(total)): (pairs, 2)."""
    table = np.empty((len(columns), 2))
    without_count = exp_digamma(alpha)  # most pairs, after a few iterations
    for row in range(len(row_offsets) - 1):
        for pair in range(row_offsets[row], row_offsets[row + 1]):
            weight = without_count
            if counts[pair, 0] != 0:
                weight = exp_digamma(counts[pair, 0] / COUNT_SCALE + alpha)
            table[pair, 0] = weight * row_normalizers[row]
            weight = without_count
            if counts[pair, 1] != 0:
                weight = exp_digamma(counts[pair, 1] / COUNT_SCALE + alpha)
            table[pair, 1] = weight * column_normalizers[columns[pair]]
    return table


@njit(cache=True)
def maximize_row(counts, alpha):
    """The M-step of one row, such as the null word's: t of each of its words."""
    total = np.int64(0)
    for count in counts:
        total += count
    normalizer = 1.0 / exp_digamma(total / COUNT_SCALE + alpha * len(counts))
    row = np.empty(len(counts))
    for k in range(len(counts)):
        row[k] = exp_digamma(counts[k] / COUNT_SCALE + alpha) * normalizer
    return row


@njit(cache=True)
def log_poisson(m, rate):
    return m * math.log(rate) - math.lgamma(m + 1.0) - rate


@njit(cache=True)
def decode(
    order,
    source,
    source_offsets,
    target,
    target_offsets,
    cell_offsets,
    cells,
    records,
    forward_null,
    reverse_null,
    tensions,
    length_ratios,
    null_probability,
):
    """The best links of both directions of every sentence pair, and how sure they are.

    Arguments are as of `expectation`; `records` needs its first two columns only. The null word wins ties, then the
    first word. Scores are log Poisson(m; 0.05 + n length_ratio) + log likelihood.

    Returns:
        best source position of each target word, best target position of each source word (int16, -1 for null);
        scores (sentences, 2); posteriors forward and reverse of the links of both directions' union, sentence s from
        `source_offsets[s] + target_offsets[s]` on in (i, j) order, float32 (words of both sides, 2); and how many
        links each union has.
    """
    longest_target, longest_source, most_cells = largest(source_offsets, target_offsets)
    forward_prior = np.empty((longest_target, longest_source))
    reverse_prior = np.empty((longest_source, longest_target))
    cell_prior = np.empty((most_cells, 4))
    joint = np.empty((most_cells, 2))
    forward_total = np.empty(longest_target)
    reverse_total = np.empty(longest_source)
    highest = np.empty(longest_target)
    num_sentences = len(source_offsets) - 1
    forward_best = np.full(len(target), -1, np.int16)
    reverse_best = np.full(len(source), -1, np.int16)
    scores = np.zeros((num_sentences, 2))
    posteriors = np.zeros((len(source) + len(target), 2), np.float32)
    num_links = np.zeros(num_sentences, np.int64)
    last_m = -1
    last_n = -1
    for s in order:
        source_begin = source_offsets[s]
        target_begin = target_offsets[s]
        n = source_offsets[s + 1] - source_begin
        m = target_offsets[s + 1] - target_begin
        if m != last_m or n != last_n:
            fill_priors(cell_prior, forward_prior, reverse_prior, m, n, tensions, null_probability)
            last_m = m
            last_n = n
        places = cells[cell_offsets[s] : cell_offsets[s + 1]]
        to_source = forward_best[target_begin : target_begin + m]
        to_target = reverse_best[source_begin : source_begin + n]
        for j in range(m):
            highest[j] = forward_null[target[target_begin + j]] * null_probability
            forward_total[j] = highest[j]
        for i in range(n):
            reverse_total[i] = reverse_null[source[source_begin + i]] * null_probability
        joint_probabilities(places, records, cell_prior, n, m, joint, forward_total, reverse_total)
        for i in range(n):
            best = reverse_null[source[source_begin + i]] * null_probability
            for j in range(m):
                if joint[i * m + j, 0] > highest[j]:
                    highest[j] = joint[i * m + j, 0]
                    to_source[j] = i
                if joint[i * m + j, 1] > best:
                    best = joint[i * m + j, 1]
                    to_target[i] = j
        scores[s, 0] = log_poisson(m, 0.05 + n * length_ratios[0])
        for j in range(m):
            scores[s, 0] += math.log(forward_total[j])
        scores[s, 1] = log_poisson(n, 0.05 + m * length_ratios[1])
        for i in range(n):
            scores[s, 1] += math.log(reverse_total[i])
        at = source_begin + target_begin
        for i in range(n):
            for j in range(m):
                if to_source[j] == i or to_target[i] == j:
                    posteriors[at, 0] = joint[i * m + j, 0] / forward_total[j]
                    posteriors[at, 1] = joint[i * m + j, 1] / reverse_total[i]
                    at += 1
        num_links[s] = at - source_begin - target_begin
    return forward_best, reverse_best, scores, posteriors, num_links
