"""The choice of the pairs that are kept for measurement.

Pairs are ranked by a seeded hash of one side's text (English where there is some), so that in a corpus of several
languages with English the same sentences are held out in every language. No sentence that is held out in any
language pair, on either side, is left in the training part of another.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SPARE = 2  # candidates of a source for each pair to hold out, since some fall to repeated sentences
LARGEST_SHARE = 5  # at most one pair in five is held out

Int64s = NDArray[np.int64]


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


def text_hashes(languages: tuple[str, str], source: str, target: str) -> tuple[int, int]:
    """Names of both sentences of a pair; of unpaired text, twice that of its one sentence."""
    first = text_hash(languages[0], source)
    return first, text_hash(languages[1], target) if languages[1] else first


def ranked_side(languages: tuple[str, str]) -> str:
    """The side of a pair whose sentence is ranked: the English one, else the source."""
    return "target" if languages[1] == "en" else "source"


def rank_hash(seed: int, text: str) -> int:
    """The rank of a sentence among those that may be held out."""
    digest = hashlib.blake2b(text.strip().encode(), digest_size=8, salt=seed.to_bytes(16)).digest()
    return int.from_bytes(digest) >> 1


def share_ranks(batch: pa.RecordBatch, seed: int, places: Sequence[str] | None = None) -> Int64s:
    """The ranks of the pairs of a batch, by a hash of their texts, among those that `corpus.limits` keeps: (rows,).

    They are drawn apart from the ranks of the pairs that are held out.

    Args:
        places: what tells pairs of the same texts apart; None where these go together.
    """
    sides = batch["source"].to_pylist(), batch["target"].to_pylist()
    texts = [f"{left.strip()}\t{(right or '').strip()}" for left, right in zip(*sides, strict=True)]
    if places is not None:
        texts = [f"{text}\t{place}" for text, place in zip(texts, places, strict=True)]
    return np.array([rank_hash(seed, f"share\t{text}") for text in texts], np.int64)


def lowest(found: Iterable[Candidate], wanted: int) -> list[Candidate]:
    """The candidates of a source with the lowest ranks, each ranked sentence once, where it comes first.

    Args:
        wanted: how many pairs are to be held out; SPARE times as many are kept.
    """
    best: dict[int, Candidate] = {}
    for candidate in sorted(found, key=lambda own: (own.rank, own.row)):
        best.setdefault(candidate.rank, candidate)
    return [*best.values()][: wanted * SPARE]


def lowest_ranks(
    before: list[Candidate], wanted: int, ranks: Int64s, rows: Int64s, source_texts: Int64s, target_texts: Int64s
) -> list[Candidate]:
    """The same of candidates and of further rows of their source that the filters have kept.

    Args:
        ranks, rows, source_texts, target_texts: (rows,) of the further rows.
    """
    _, first = np.unique(ranks, return_index=True)  # by rising rank; of rows with the same rank the first
    columns = (column[first[: wanted * SPARE]].tolist() for column in (ranks, rows, source_texts, target_texts))
    return lowest([*before, *(Candidate(*values) for values in zip(*columns, strict=True))], wanted)


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
