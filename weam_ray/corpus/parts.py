"""The two parts of the pairs that are held out: `dev`, by which anything is chosen, and `test`, which is reported.

Both are kept out of training. Which part a pair belongs to depends on its text and the seed alone, so that the same
sentence is in the same part in every language; rows that have a sentence in common, on either side, are of one part.
"""

from collections import defaultdict
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from weam_ray.corpus.held_out import rank_hash, ranked_side, text_hashes
from weam_ray.store.stages import Stage

Part = Literal["dev", "test"]
DEV: Part = "dev"
TEST: Part = "test"
COLUMNS = ["pair_id", "source_lang", "target_lang", "source", "target"]


def held_out_parts(stage: Stage, seed: int) -> dict[str, Part]:
    """The part of each held-out row of a stage with texts (corpus or align), by its `pair_id`.

    Args:
        seed: `corpus.held_out_seed`.
    """
    names: list[str] = []
    pairs: list[str] = []
    ranks: list[int] = []
    texts: list[tuple[int, int]] = []
    for file in stage.files("held_out"):
        for row in stage.read_parquet(file, COLUMNS).to_pylist():
            languages = (row["source_lang"], row["target_lang"])
            names.append(row["pair_id"])
            pairs.append("-".join(languages))
            ranks.append(rank_hash(seed, row[ranked_side(languages)]))
            texts.append(text_hashes(languages, row["source"], row["target"]))
    groups = joined(texts)
    lowest: dict[int, int] = {}
    for group, rank in zip(groups, ranks, strict=True):
        lowest[group] = min(rank, lowest.get(group, rank))
    part: dict[int, Part] = {group: TEST if rank % 2 else DEV for group, rank in lowest.items()}
    balance(part, lowest, groups, pairs)
    return {name: part[group] for name, group in zip(names, groups, strict=True)}


def joined(texts: list[tuple[int, int]]) -> list[int]:
    """The group of each row, by the names of its two sentences: rows with a sentence in common are of one group."""
    if not texts:
        return []
    _, numbers = np.unique(np.array(texts).ravel(), return_inverse=True)
    left, right = numbers.reshape(-1, 2).T
    size = int(numbers.max()) + 1
    _, groups = connected_components(coo_array((np.ones(len(left)), (left, right)), shape=(size, size)), directed=False)
    return [int(group) for group in groups[left]]


def balance(part: dict[int, Part], lowest: dict[int, int], groups: list[int], pairs: list[str]) -> None:
    """See that a language pair of several groups has both parts: where chance gave it one, its group of the lowest
    rank goes to the other.
    """
    own: dict[str, set[int]] = defaultdict(set)
    for pair, group in zip(pairs, groups, strict=True):
        own[pair].add(group)
    for pair in sorted(own):
        found = {part[group] for group in own[pair]}
        if len(found) == 1 and len(own[pair]) > 1:
            first = min(own[pair], key=lambda group: lowest[group])
            part[first] = DEV if part[first] == TEST else TEST
