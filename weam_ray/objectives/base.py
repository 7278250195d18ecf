"""The frame of the objectives: one encoder pass, one call of the head over the rows that are needed.

An objective is a module around the encoder. Its `forward(batch, step)` returns the loss to minimise, and what this
micro-batch adds to each of the named `parts`, for the record of the step. Both are means over the global batch: sums
divided by the batch's `totals`, so that those of all micro-batches and workers add up.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from weam_ray.batches.batch import Batch
from weam_ray.model.families import FAMILIES, first_position
from weam_ray.model.transformers_private import attention_of

ALL = slice(None)


@dataclass(frozen=True)
class TensorBatch:
    """A `Batch` as tensors; shapes as there, `exchange` flattened to (B * T,) indices of the flattened positions.

    `packed` says whether a row holds several sequences. `totals` are the `counts` of the global batch, (), 1 where
    there is nothing to count.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor
    exchange: torch.Tensor
    masked: torch.Tensor
    labels: torch.Tensor
    aligned: torch.Tensor
    anchors: torch.Tensor
    totals: dict[str, torch.Tensor]
    packed: bool = False

    @classmethod
    def of(
        cls, batch: Batch, totals: Mapping[str, float] | None = None, device: torch.device | str = "cpu"
    ) -> "TensorBatch":
        """Copy a batch to a device, with the totals of its global batch; without totals it is the whole of that."""
        rows, length = batch.input_ids.shape
        flat = (batch.exchange + torch.arange(rows).numpy()[:, None] * length).ravel()
        counts = batch.counts() if totals is None else totals

        def tensor(array: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(array).to(device)

        return cls(
            input_ids=tensor(batch.input_ids),
            attention_mask=tensor(batch.attention_mask),
            token_type_ids=tensor(batch.token_type_ids),
            exchange=tensor(flat),
            masked=tensor(batch.masked),
            labels=tensor(batch.labels),
            aligned=tensor(batch.aligned),
            anchors=tensor(batch.anchors),
            totals={name: torch.tensor(max(1.0, count), device=device) for name, count in counts.items()},
            packed=bool((batch.attention_mask > 1).any()),
        )


class MaskedModel(nn.Module):
    """A masked language model that computes logits at chosen positions only.

    A family that is not in the table of FAMILIES computes the logits of all positions, which is slower.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.family = FAMILIES.get(model.config.model_type)
        self.first_position = first_position(model)
        module = model if self.family is None else self.family.encoder(model)
        takes = "token_type_ids" in inspect.signature(module.forward).parameters
        self.takes_types = takes and getattr(model.config, "type_vocab_size", 2) > 1

    def inputs(self, batch: TensorBatch, rows: torch.Tensor | slice = ALL, length: int | None = None) -> dict[str, Any]:
        """Return the encoder's arguments for the first `length` positions of some rows of a batch."""
        numbers = batch.attention_mask[rows, :length]
        inputs = {"input_ids": batch.input_ids[rows, :length], "attention_mask": numbers}
        if self.takes_types:
            inputs["token_type_ids"] = batch.token_type_ids[rows, :length]
        if batch.packed:
            assert self.family is not None, "sequences side by side need a known family"
            inputs["attention_mask"] = self.block_diagonal(numbers)
            inputs["position_ids"] = positions(numbers) + self.first_position
        return inputs

    def block_diagonal(self, numbers: torch.Tensor) -> torch.Tensor:
        """(R, 1, T, T) who attends to whom, from the (R, T) numbers of the sequences: padding attends to padding."""
        same = numbers[:, None, :, None] == numbers[:, None, None, :]
        if attention_of(self.model.config) == "sdpa":
            return same
        dtype = self.model.get_input_embeddings().weight.dtype
        return torch.zeros_like(same, dtype=dtype).masked_fill(~same, torch.finfo(dtype).min)

    def states(self, batch: TensorBatch, rows: torch.Tensor | slice = ALL, length: int | None = None) -> torch.Tensor:
        """Encode the first `length` positions of some rows of a batch; the last states, as (R * T, hidden)."""
        encoder = self.model.base_model if self.family is None else self.family.encoder(self.model)
        return encoder(**self.inputs(batch, rows, length)).last_hidden_state.flatten(0, 1)

    def logits(self, batch: TensorBatch, positions: torch.Tensor) -> torch.Tensor:
        """Compute the (P, vocabulary) logits of the states at some flattened positions, (P,)."""
        if self.family is None:
            return self.model(**self.inputs(batch)).logits.flatten(0, 1)[positions]
        return self.family.head(self.model, self.states(batch)[positions])


def positions(numbers: torch.Tensor) -> torch.Tensor:
    """Count each position's place in its own sequence, from 0 and 0 in padding, given the (R, T) sequence numbers."""
    places = torch.arange(numbers.shape[1], device=numbers.device).expand_as(numbers)
    begins = torch.ones_like(numbers, dtype=torch.bool)
    begins[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
    return torch.where(numbers > 0, places - torch.where(begins, places, 0).cummax(dim=1).values, 0)


def token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(R,) cross entropy of each row, in float32 or wider."""
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    return cross_entropy(logits, labels, reduction="none")


def masked_prediction(masked_model: MaskedModel, batch: TensorBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss of predicting each masked token from its own state; and the same as a part, (1,)."""
    multilingual = token_losses(masked_model.logits(batch, batch.masked), batch.labels).sum()
    total = batch.totals["masked"]
    return multilingual / total, multilingual.detach()[None] / total
