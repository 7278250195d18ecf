"""Which pairs are kept for measurement.

Pairs are ranked by a seeded hash of one side's text (English where there is some), so that in a corpus of several
languages with English the same sentences are held out in every language. No sentence that is held out in any
language pair, on either side, is left in the training part of another.
"""

import hashlib
import heapq
from collections.abc import Iterable
from typing import NamedTuple

from weam_ray.corpus.filters import reject_reason
from weam_ray.corpus.readers.base import RawPair

SPARE = 2  # candidates of a source for each pair to hold out, since some fall to repeated sentences
LARGEST_SHARE = 5  # at most one pair in five is held out


class Candidate(NamedTuple):
    """A pair that may be held out: its rank, its row in the source, and the hashes of its two texts."""

    rank: int
    row: int
    source_text: int
    target_text: int


def text_hash(language: str, text: str) -> int:
    """63 bits that name a sentence of a language."""
    digest = hashlib.blake2b(f"{language}\t{text.strip()}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def rank_hash(seed: int, text: str) -> int:
    """The rank of a sentence among those that may be held out."""
    digest = hashlib.blake2b(text.strip().encode(), digest_size=8, salt=seed.to_bytes(16)).digest()
    return int.from_bytes(digest) >> 1


def candidates(
    pairs: Iterable[RawPair], languages: tuple[str, str], wanted: int, seed: int, max_words: int
) -> tuple[list[Candidate], int]:
    """The pairs of a source with the lowest ranks, each ranked sentence once, and the number of rows read.

    Only a pair that would enter the list is put through the filter, so this costs little more than reading.
    """
    heap: list[tuple[int, int, Candidate]] = []  # the worst candidate first
    ranks: set[int] = set()
    num_rows = 0
    ranked_side = 2 if languages[1] == "en" else 1
    for row, pair in enumerate(pairs):
        num_rows += 1
        rank = rank_hash(seed, pair[ranked_side])
        full = len(heap) >= wanted * SPARE
        if not wanted or (full and rank >= -heap[0][0]) or rank in ranks:
            continue
        if reject_reason(pair.source, pair.target, max_words):
            continue
        found = Candidate(rank, row, text_hash(languages[0], pair.source), text_hash(languages[1], pair.target))
        ranks.add(rank)
        heapq.heappush(heap, (-rank, -row, found))
        if full:
            ranks.discard(heapq.heappop(heap)[2].rank)
    return sorted(entry[2] for entry in heap), num_rows


def choose(found: Iterable[tuple[int, Candidate]], wanted: int) -> list[tuple[int, Candidate]]:
    """The `wanted` lowest ranked of (source number, candidate), no sentence twice on either side."""
    chosen: list[tuple[int, Candidate]] = []
    seen: set[int] = set()
    for number, candidate in sorted(found, key=lambda entry: (entry[1].rank, entry[0], entry[1].row)):
        if len(chosen) == wanted:
            break
        if candidate.source_text in seen or candidate.target_text in seen:
            continue
        seen |= {candidate.source_text, candidate.target_text}
        chosen.append((number, candidate))
    return chosen
