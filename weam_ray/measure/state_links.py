"""Links that are read from the encoder's own states, to be scored against links that people made.

Dou & Neubig 2021 (Word Alignment by Fine-tuning Embeddings on Parallel Corpora, EACL; section 2.1), in the line of
Jalili Sabet et al. 2020 (SimAlign). No aligner has a part in it, so it does not favour models trained on its links.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from weam_ray.align.links import Links
from weam_ray.measure.states import LayerEncoder, WordTexts

Method = Literal["softmax", "argmax"]
THRESHOLD = 0.001  # of awesome-align
_BITS = 15  # of a word's number, which is int16


@dataclass(frozen=True)
class StateLinks:
    """The links that each layer's states say, in (i, j) order, and how many source and target words truncation cut.

    A word that is cut short is linked by the subwords that are left of it; one that is cut off has no links.
    """

    links: list[Links]
    num_cut: tuple[int, int]


def state_links(
    model: Any,
    tokenizer: Any,
    source: WordTexts,
    target: WordTexts,
    max_length: int,
    batch_size: int,
    method: Method,
) -> StateLinks:
    """Link the words of the pairs (source text, target text), whose sides are encoded apart, by each layer's states.

    `softmax` (Dou & Neubig) links subwords i and j where the softmax of the similarities over all j and that over all i
    both exceed THRESHOLD. The similarity is the dot product of the states as they are; short states link nearly all.
    `argmax` (Jalili Sabet et al.) links those that are each other's nearest by cosine, which no scale changes. Words
    are linked where any of their subwords are. Special tokens take no part.
    """
    assert len(source) == len(target)
    encoder = LayerEncoder.of(model, tokenizer, max_length)
    sides = source.sentences(), target.sentences()
    lengths = [len(a) + len(b) for a, b in zip(*sides, strict=True)]
    order = np.argsort(lengths, kind="stable")
    codes: list[list[NDArray[np.int64]]] = [[np.empty(0, np.int64)] for _ in encoder.layers]
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        left, left_own = encoder.states([sides[0][number] for number in chosen])
        right, right_own = encoder.states([sides[1][number] for number in chosen])
        for number in range(len(encoder.layers)):
            linked = linked_subwords(left[number], left_own, right[number], right_own, method)
            rows, i, j = linked.nonzero().cpu().numpy().T
            pairs = chosen[rows]
            codes[number].append(_codes(source, target, pairs, i, j))
    num_cut = int(source.cut(encoder.room).sum()), int(target.cut(encoder.room).sum())
    return StateLinks([_links(np.concatenate(own), len(source)) for own in codes], num_cut)


def linked_subwords(
    left: torch.Tensor,
    left_own: torch.Tensor,
    right: torch.Tensor,
    right_own: torch.Tensor,
    method: Method,
) -> torch.Tensor:
    """Link subwords, (B, m, n), by their states (B, m, d) and (B, n, d), of which (B, m) and (B, n) are there."""
    if method == "argmax":
        left, right = (torch.nn.functional.normalize(side, dim=2) for side in (left, right))
    similarity = left @ right.mT
    there = left_own[:, :, None] & right_own[:, None, :]
    if not similarity.numel():
        return there
    forward = similarity.masked_fill(~right_own[:, None, :], -torch.inf)
    backward = similarity.masked_fill(~left_own[:, :, None], -torch.inf)
    if method == "argmax":
        return _greatest(forward, 2) & _greatest(backward, 1) & there
    return (forward.softmax(2) > THRESHOLD) & (backward.softmax(1) > THRESHOLD) & there


def _greatest(similarity: torch.Tensor, dim: int) -> torch.Tensor:
    """Say of each value whether it is the greatest along a dimension, in the same shape; of equal ones the first is."""
    best = similarity.argmax(dim, keepdim=True)
    return torch.zeros_like(similarity, dtype=torch.bool).scatter_(dim, best, True)


def _codes(
    source: WordTexts, target: WordTexts, pairs: NDArray[np.int64], i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return one number for each pair of linked words, given the links between subwords i and j of some pairs."""
    words = [
        side.words[side.token_offsets[pairs] + place] - side.word_offsets[pairs]
        for side, place in ((source, i), (target, j))
    ]
    own = (words[0] >= 0) & (words[1] >= 0)
    return np.unique((pairs << 2 * _BITS | words[0] << _BITS | words[1])[own])


def _links(codes: NDArray[np.int64], num_pairs: int) -> Links:
    codes = np.sort(codes)
    mask = (1 << _BITS) - 1
    links = np.stack([codes >> _BITS & mask, codes & mask], axis=1).astype(np.int16)
    return Links(links, np.searchsorted(codes >> 2 * _BITS, np.arange(num_pairs + 1)).astype(np.int64))
