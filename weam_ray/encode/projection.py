"""Words to subwords: which word a subword belongs to, and links between subwords."""

import numpy as np
from numba import njit


@njit(cache=True)
def _overlap(tokens, spans, first, last):
    """First and last word that each token's span overlaps; -1 for none, and for an empty span.

    Words are in order, without overlap.
    """
    num_words = len(spans) // 2
    word = 0
    for t in range(len(tokens) // 2):
        start = tokens[2 * t]
        end = tokens[2 * t + 1]
        first[t] = -1
        last[t] = -1
        if end <= start:
            continue
        while word > 0 and spans[2 * word - 1] > start:
            word -= 1  # offsets may step back: several tokens of one character
        while word < num_words and spans[2 * word + 1] <= start:
            word += 1
        w = word
        while w < num_words and spans[2 * w] < end:
            if first[t] < 0:
                first[t] = w
            last[t] = w
            w += 1


@njit(cache=True)
def _tokens_of_words(first, last, linked, members, counts, longest):
    """The tokens of each linked word, in order. A token that covers several words goes to the first linked one."""
    for t in range(len(first)):
        if first[t] < 0:
            continue
        for w in range(first[t], last[t] + 1):
            if linked[w] >= 0:
                if counts[w] < longest:
                    members[w, counts[w]] = t
                    counts[w] += 1
                break


@njit(cache=True)
def project(
    source_tokens, source_token_offsets, source_spans, source_span_offsets,
    target_tokens, target_token_offsets, target_spans, target_span_offsets,
    links, link_offsets, only_first,
):  # fmt: skip
    """Word links to subword links, for all pairs of a table.

    Args:
        *_tokens: character spans of the tokens, flat (start, end); token `t` of pair s at
            2 * (offsets[s] + t). *_spans: those of the words, likewise.
        links: (L, 2) one-to-one word links of all pairs; pair s at `link_offsets[s]`.
        only_first: link first subwords only, instead of k-th to k-th.

    Returns:
        word of each source token and of each target token (-1 for none), (K, 2) token links, and their offsets.
        Surplus subwords of the longer word stay without a link.
    """
    num_pairs = len(link_offsets) - 1
    source_words = np.full(source_token_offsets[-1], -1, np.int16)
    target_words = np.full(target_token_offsets[-1], -1, np.int16)
    token_links = np.empty((min(len(source_words), len(target_words)), 2), np.int16)
    token_link_offsets = np.zeros(num_pairs + 1, np.int64)
    filled = 0
    for s in range(num_pairs):
        a, b = source_token_offsets[s], source_token_offsets[s + 1]
        c, d = target_token_offsets[s], target_token_offsets[s + 1]
        source_last = np.empty(b - a, np.int16)
        target_last = np.empty(d - c, np.int16)
        left_spans = source_spans[2 * source_span_offsets[s] : 2 * source_span_offsets[s + 1]]
        right_spans = target_spans[2 * target_span_offsets[s] : 2 * target_span_offsets[s + 1]]
        _overlap(source_tokens[2 * a : 2 * b], left_spans, source_words[a:b], source_last)
        _overlap(target_tokens[2 * c : 2 * d], right_spans, target_words[c:d], target_last)

        num_left, num_right = len(left_spans) // 2, len(right_spans) // 2
        to_right = np.full(num_left, -1, np.int16)
        to_left = np.full(num_right, -1, np.int16)
        for k in range(link_offsets[s], link_offsets[s + 1]):
            to_right[links[k, 0]] = links[k, 1]
            to_left[links[k, 1]] = links[k, 0]
        longest = 1 if only_first else max(1, min(b - a, d - c))
        left_members = np.empty((num_left, longest), np.int16)
        right_members = np.empty((num_right, longest), np.int16)
        left_counts = np.zeros(num_left, np.int64)
        right_counts = np.zeros(num_right, np.int64)
        _tokens_of_words(source_words[a:b], source_last, to_right, left_members, left_counts, longest)
        _tokens_of_words(target_words[c:d], target_last, to_left, right_members, right_counts, longest)
        for i in range(num_left):
            j = to_right[i]
            if j < 0:
                continue
            for k in range(min(left_counts[i], right_counts[j])):
                token_links[filled, 0] = left_members[i, k]
                token_links[filled, 1] = right_members[j, k]
                filled += 1
        token_link_offsets[s + 1] = filled
    return source_words, target_words, token_links[:filled], token_link_offsets
