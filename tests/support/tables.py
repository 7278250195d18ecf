"""Aligned tables with links made by hand, and what encoding should make of them, worked out slowly."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from weam_ray.corpus.tables import ALIGNED
from weam_ray.corpus.words import word_spans

Link = tuple[int, int]
Span = tuple[int, int]


def flat(pairs: Sequence[tuple[int, int]]) -> list[int]:
    return [value for pair in pairs for value in pair]


def aligned_table(
    pairs: Sequence[tuple[str, str]],
    forward: Sequence[Sequence[Link]],
    reverse: Sequence[Sequence[Link]] | None = None,
    posteriors: Sequence[Sequence[tuple[float, float]]] | None = None,
) -> pa.Table:
    """A table as the stage `align` writes it; without `reverse` both directions have the same links."""
    reverse = forward if reverse is None else reverse
    rows = []
    for number, (source, target) in enumerate(pairs):
        rows.append(
            {
                "pair_id": f"0:{number}",
                "source_lang": "en",
                "target_lang": "xx",
                "source": source,
                "target": target,
                "source_words": flat(word_spans(source)),
                "target_words": flat(word_spans(target)),
                "forward_links": flat(forward[number]),
                "reverse_links": flat(reverse[number]),
                "union_posteriors": None if posteriors is None else flat(posteriors[number]),
                "forward_score": 0.0,
                "reverse_score": 0.0,
            }
        )
    return pa.Table.from_pylist(rows, schema=ALIGNED)


def unflat(values: Sequence[int]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in np.reshape(values, (-1, 2))]


def covered_words(span: Span, words: Sequence[Span]) -> list[int]:
    """The words that share a character with a token."""
    return [k for k, (start, end) in enumerate(words) if start < span[1] and span[0] < end]


def expected_projection(
    tokens: tuple[Sequence[Span], Sequence[Span]],
    words: tuple[Sequence[Span], Sequence[Span]],
    links: Sequence[Link],
    only_first: bool = False,
) -> tuple[list[int], list[int], list[Link]]:
    """Word of each token of both sides, and the token links of one-to-one word links."""
    word_ids, members = [], []
    for side in range(2):
        linked = {link[side] for link in links}
        covered = [covered_words(span, words[side]) for span in tokens[side]]
        word_ids.append([found[0] if found else -1 for found in covered])
        owners = [next((word for word in found if word in linked), -1) for found in covered]
        members.append({word: [t for t, owner in enumerate(owners) if owner == word] for word in linked})
    token_links = []
    for i, j in sorted(links):
        couples = list(zip(members[0][i], members[1][j], strict=False))
        token_links += couples[:1] if only_first else couples
    return word_ids[0], word_ids[1], token_links
