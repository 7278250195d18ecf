"""The E-step, the M-step and the decoding of FastAlign, compiled, float64, both directions in one pass.

Forward means that source words i = 1..n generate target words j = 1..m, reverse the opposite. A word pair has two
numbers of 8 bytes, t(f|e) and t(e|f), side by side, and two expected counts as integers: one look-up serves both
directions.

Expected counts are 64-bit fixed-point numbers of 2^-32, so that their addition is exact: neither the order of the
sentences nor their distribution over shards changes a bit of the result.
"""

import math

import numpy as np
from numba import njit

from weam_ray.align.fast_align.prefetch import prefetch_row
from weam_ray.align.fast_align.prior import prior_of

COUNT_SCALE = float(2**32)
LIKELIHOOD_SCALE = float(2**20)
# a number below 2^51, added to ROUNDING, is rounded to an integer, which the bits of the sum hold, less ROUNDED_ZERO
ROUNDING = 1.5 * 2.0**52
ROUNDED_ZERO = int(np.float64(ROUNDING).view(np.int64))
UNSEEN = 1e-9  # probability of a pair that was never seen together, and of every pair before the first iteration


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def gather(places, values, forward, reverse):
    """t(f|e) and t(e|f) of each cell. A loop of its own, so that the memory fetches many of them at once."""
    for cell in range(len(places)):
        place = places[cell]
        forward[cell] = values[place, 0]
        reverse[cell] = values[place, 1]


@njit(cache=True, nogil=True)
def announce(places, counts):
    """Have the counts of each cell fetched while the posteriors are computed: a third of the E-step's time."""
    for cell in range(len(places)):
        prefetch_row(counts, places[cell])


@njit(cache=True, nogil=True)
def scatter(places, counts, forward, reverse):
    """Add `rounded` posteriors to the counts (pairs, 2)."""
    for cell in range(len(places)):
        place = places[cell]
        counts[place, 0] += forward[cell] - ROUNDED_ZERO
        counts[place, 1] += reverse[cell] - ROUNDED_ZERO


@njit(cache=True, nogil=True)
def joint_probabilities(n, m, forward_prior, reverse_prior, forward, reverse, forward_total, reverse_total):
    """Multiply t by the prior, and add to the totals of target word j and of source word i.

    The totals hold the null word's part already; words are added in the order of their positions.
    """
    for i in range(n):
        first = i * m
        for j in range(m):
            forward[first + j] *= forward_prior[first + j]
            forward_total[j] += forward[first + j]
        total = reverse_total[i]
        for j in range(m):
            reverse[first + j] *= reverse_prior[first + j]
            total += reverse[first + j]
        reverse_total[i] = total


@njit(cache=True, nogil=True)
def null_posteriors(words, null, null_probability, totals, null_counts, statistics):
    """Count what goes to the null word, and turn totals into the factors that make scaled posteriors of joints."""
    likelihood = 0.0
    to_null = 0.0
    for k in range(len(words)):
        word = words[k]
        likelihood += math.log(totals[k])
        inverse = 1.0 / totals[k]
        posterior = null[word] * null_probability * inverse
        to_null += posterior
        null_counts[word] += np.int64(posterior * COUNT_SCALE + 0.5)
        totals[k] = inverse * COUNT_SCALE
    statistics[0] += np.int64(math.floor(likelihood * LIKELIHOOD_SCALE))
    statistics[1] += np.int64(to_null * COUNT_SCALE)


@njit(cache=True, nogil=True)
def scale(n, m, forward, reverse, forward_factor, reverse_factor, features, statistics, first_place):
    """Joint probabilities to `rounded` posteriors in 2^-32; adds up the diagonal feature of both directions.

    The feature counts the generated position from `first_place`: 0 in the published program, 1 in its model.
    """
    source_places = np.arange(n + 1) / n
    target_places = np.arange(m + 1) / m
    features[:, :m] = 0.0
    for i in range(n):
        first = i * m
        factor = reverse_factor[i]
        for j in range(m):
            posterior = forward[first + j] * forward_factor[j]
            features[0, j] += abs(source_places[i + 1] - target_places[j + first_place]) * posterior
            forward[first + j] = posterior + ROUNDING
            posterior = reverse[first + j] * factor
            features[1, j] += abs(target_places[j + 1] - source_places[i + first_place]) * posterior
            reverse[first + j] = posterior + ROUNDING
    for direction in range(2):
        total = 0.0
        for j in range(m):
            total -= features[direction, j]
        statistics[direction, 2] += np.int64(math.floor(total))


@njit(cache=True, nogil=True)
def expectation(
    source,
    source_offsets,
    target,
    target_offsets,
    cell_offsets,
    cells,
    values,
    counts,
    forward_null,
    reverse_null,
    tensions,
    null_probability,
    priors,
    forward_null_counts,
    reverse_null_counts,
    first_place,
):
    """The E-step over some sentences, in their order: neighbours share words, and so find them in the cache.

    Args:
        cells: the pair of each cell. values: t(f|e) and t(e|f), (pairs, 2); none where all are the same still.
        counts: int64 (pairs, 2) to add to.
        forward_null: t(f|null) of each target word; reverse_null: t(e|null) of each source word.
        priors: a `prior.Priors` for these tensions.
        forward_null_counts, reverse_null_counts: int64 counts to add to.
        first_place: of generated words in the diagonal feature, as in `scale`.

    Returns:
        int64 (2, 3), forward and reverse: log likelihood in 2^-20, expected links to null and the sum of the
        diagonal feature in 2^-32.
    """
    longest_target, longest_source, most_cells = largest(source_offsets, target_offsets)
    scratch = np.empty((2, most_cells))
    forward = np.empty(most_cells)
    reverse = np.empty(most_cells)
    forward_total = np.empty(longest_target)
    reverse_total = np.empty(longest_source)
    features = np.empty((2, longest_target))
    statistics = np.zeros((2, 3), np.int64)
    for s in range(len(source_offsets) - 1):
        own_source = source[source_offsets[s] : source_offsets[s + 1]]
        own_target = target[target_offsets[s] : target_offsets[s + 1]]
        n = len(own_source)
        m = len(own_target)
        forward_prior, reverse_prior = prior_of(m, n, tensions, null_probability, priors, scratch)
        places = cells[cell_offsets[s] : cell_offsets[s + 1]]
        if len(values) > 0:
            gather(places, values, forward, reverse)
        else:
            forward[: n * m] = UNSEEN
            reverse[: n * m] = UNSEEN
        announce(places, counts)
        for j in range(m):
            forward_total[j] = forward_null[own_target[j]] * null_probability
        for i in range(n):
            reverse_total[i] = reverse_null[own_source[i]] * null_probability
        joint_probabilities(n, m, forward_prior, reverse_prior, forward, reverse, forward_total, reverse_total)
        null_posteriors(own_target, forward_null, null_probability, forward_total, forward_null_counts, statistics[0])
        null_posteriors(own_source, reverse_null, null_probability, reverse_total, reverse_null_counts, statistics[1])
        scale(n, m, forward, reverse, forward_total, reverse_total, features, statistics, first_place)
        scatter(places, counts, forward.view(np.int64), reverse.view(np.int64))
    return statistics


@njit(cache=True, nogil=True)
def exp_digamma(x):
    """exp(digamma(x)) for x > 0: below 7 the recurrence over seven steps, then a series (error of digamma below 1e-10).

    The sum of 1 / (x + k) over k = 0..6 is the derivative of the product of the x + k, divided by the product.
    """
    shifted = 0.0
    if x < 7.0:
        product = x * (720.0 + x * (1764.0 + x * (1624.0 + x * (735.0 + x * (175.0 + x * (21.0 + x))))))
        slope = 720.0 + x * (3528.0 + x * (4872.0 + x * (2940.0 + x * (875.0 + x * (126.0 + x * 7.0)))))
        shifted = slope / product
        x += 7.0
    x -= 0.5
    square = 1.0 / (x * x)
    fourth = square * square
    return x * math.exp(
        (1.0 / 24.0) * square
        - (7.0 / 960.0) * fourth
        + (31.0 / 8064.0) * fourth * square
        - (127.0 / 30720.0) * fourth * fourth
        - shifted
    )


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def normalizers(totals, lengths, alpha):
    """1 / exp(digamma(total + alpha * length)) of each word; a word without pairs has none and gets 1."""
    result = np.ones(len(totals))
    for word in range(len(totals)):
        if lengths[word] > 0:
            result[word] = 1.0 / exp_digamma(totals[word] / COUNT_SCALE + alpha * lengths[word])
    return result


@njit(cache=True, nogil=True)
def maximize(row_offsets, columns, counts, row_normalizers, column_normalizers, alpha, table):
    """The variational Bayes M-step of both directions, exp(digamma(count + alpha) - digamma(total)): (pairs, 2)."""
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def log_poisson(m, rate):
    return m * math.log(rate) - math.lgamma(m + 1.0) - rate


@njit(cache=True, nogil=True)
def decode(
    source,
    source_offsets,
    target,
    target_offsets,
    cell_offsets,
    cells,
    values,
    forward_null,
    reverse_null,
    tensions,
    length_ratios,
    null_probability,
    priors,
):
    """The best links of both directions of every sentence pair, and how sure they are.

    Arguments are as of `expectation`. The null word wins ties, then the first word.
    Scores are log Poisson(m; 0.05 + n length_ratio) + log likelihood.

    Returns:
        best source position of each target word, best target position of each source word (int16, -1 for null);
        scores (sentences, 2); posteriors forward and reverse of the links of both directions' union, sentence s from
        `source_offsets[s] + target_offsets[s]` on in (i, j) order, float32 (words of both sides, 2); and how many
        links each union has.
    """
    longest_target, longest_source, most_cells = largest(source_offsets, target_offsets)
    scratch = np.empty((2, most_cells))
    forward = np.empty(most_cells)
    reverse = np.empty(most_cells)
    forward_total = np.empty(longest_target)
    reverse_total = np.empty(longest_source)
    highest = np.empty(longest_target)
    num_sentences = len(source_offsets) - 1
    forward_best = np.full(len(target), -1, np.int16)
    reverse_best = np.full(len(source), -1, np.int16)
    scores = np.zeros((num_sentences, 2))
    posteriors = np.zeros((len(source) + len(target), 2), np.float32)
    num_links = np.zeros(num_sentences, np.int64)
    for s in range(num_sentences):
        source_begin = source_offsets[s]
        target_begin = target_offsets[s]
        n = source_offsets[s + 1] - source_begin
        m = target_offsets[s + 1] - target_begin
        forward_prior, reverse_prior = prior_of(m, n, tensions, null_probability, priors, scratch)
        gather(cells[cell_offsets[s] : cell_offsets[s + 1]], values, forward, reverse)
        for j in range(m):
            highest[j] = forward_null[target[target_begin + j]] * null_probability
            forward_total[j] = highest[j]
        for i in range(n):
            reverse_total[i] = reverse_null[source[source_begin + i]] * null_probability
        joint_probabilities(n, m, forward_prior, reverse_prior, forward, reverse, forward_total, reverse_total)
        to_source = forward_best[target_begin : target_begin + m]
        to_target = reverse_best[source_begin : source_begin + n]
        for i in range(n):
            best = reverse_null[source[source_begin + i]] * null_probability
            for j in range(m):
                if forward[i * m + j] > highest[j]:
                    highest[j] = forward[i * m + j]
                    to_source[j] = i
                if reverse[i * m + j] > best:
                    best = reverse[i * m + j]
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
                    posteriors[at, 0] = forward[i * m + j] / forward_total[j]
                    posteriors[at, 1] = reverse[i * m + j] / reverse_total[i]
                    at += 1
        num_links[s] = at - source_begin - target_begin
    return forward_best, reverse_best, scores, posteriors, num_links
