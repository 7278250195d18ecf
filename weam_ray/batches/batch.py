"""A micro-batch, and what of a tokenizer it takes to make one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weam_ray.model.tokenizer import PairTemplate, SentenceTemplate


@dataclass(frozen=True)
class Batch:
    """A micro-batch of B rows (a pair, a sentence alone, or sentences side by side), padded to T positions.

    Attributes:
        input_ids: (B, T) token ids after masking.
        token_type_ids: (B, T).
        attention_mask: (B, T) 0 for padding, else the number, from 1, of the sequence in its row; positions attend to
            those of their own number.
        exchange: (B, T) position whose state stands here after the exchange; itself where there is no partner.
        masked: (M,) indices into the flattened (B * T) positions, rising.
        labels: (M,) the tokens that were masked there.
        aligned: (A, 2) flattened positions of the last subwords of aligned words, source and target.
        anchors: (E,) flattened positions, rising, whose states are to stay where they were.
        lost_tokens: how many tokens truncation cut off.
        lost_links: how many token links were lost with them.
        tensors: the same on a device, where it was brought there ahead of its step.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    exchange: NDArray[np.int64]
    masked: NDArray[np.int64]
    labels: NDArray[np.int64]
    lost_tokens: int = 0
    lost_links: int = 0
    aligned: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))
    anchors: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    tensors: Any = None

    @property
    def num_tokens(self) -> int:
        """The number of tokens, special ones included and padding left out."""
        return int(np.count_nonzero(self.attention_mask))

    @property
    def num_exchanged(self) -> int:
        """The number of masked tokens at whose place the state of another position stands after the exchange."""
        places = self.masked % self.input_ids.shape[1]
        return int(np.count_nonzero(self.exchange.ravel()[self.masked] != places))

    def counts(self) -> dict[str, int]:
        """How many positions or links each term of a loss is a mean over."""
        return {"masked": len(self.masked), "aligned": len(self.aligned), "anchors": len(self.anchors)}


@dataclass(frozen=True)
class Vocabulary:
    """What batches need of a tokenizer: its frames, the ids for padding and masks, and the ordinary ids.

    `packs` says whether the encoder can take sentences side by side in one row, each attending to itself. Batches are
    padded to lengths that are multiples of `multiple`, up to the longest sequence that there may be: an accelerator
    wants few shapes, and round ones.
    """

    template: PairTemplate
    pad_id: int
    mask_id: int
    ordinary_ids: NDArray[np.int64]
    sentence: SentenceTemplate
    packs: bool = False
    multiple: int = 1

    @classmethod
    def of(cls, tokenizer: Any, packs: bool = False, multiple: int = 1) -> "Vocabulary":
        ordinary = np.setdiff1d(np.arange(len(tokenizer)), np.array(tokenizer.all_special_ids))
        pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        frames = PairTemplate.of(tokenizer), SentenceTemplate.of(tokenizer)
        return cls(frames[0], pad_id, tokenizer.mask_token_id, ordinary, frames[1], packs, multiple)


def pad(
    sequences: Sequence[NDArray[np.int64]], pad_id: int, multiple: int = 1, longest: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pad sequences of unequal lengths to (B, T) ids, with their attention mask; T is as `padded_length` says."""
    length = padded_length(max(map(len, sequences)), multiple, longest)
    ids = np.full((len(sequences), length), pad_id, np.int64)
    attention_mask = np.zeros((len(sequences), length), np.int64)
    for number, sequence in enumerate(sequences):
        ids[number, : len(sequence)] = sequence
        attention_mask[number, : len(sequence)] = 1
    return ids, attention_mask


def padded_length(length: int, multiple: int, longest: int) -> int:
    """Round a length up to a multiple, but to no more than the longest sequences that an encoder has positions for."""
    return max(length, min(longest, -(-length // multiple) * multiple))


# the micro-batches of a step for one worker: the number of each in the global batch, and the batch in each form
MicroBatches = list[tuple[int, tuple[Batch, ...]]]
