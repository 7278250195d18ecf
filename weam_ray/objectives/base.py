"""The frame of the objectives: one encoder pass, one call of the head over the rows that are needed.

An objective is a module around the encoder. Its `forward(batch, step)` returns the loss to minimise, and what this
micro-batch adds to each of the named `parts`, for the record of the step. Both are means over the global batch: sums
divided by the batch's `totals`, so that those of all micro-batches and workers add up.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from weam_ray.batches.batch import Batch
from weam_ray.model.families import FAMILIES, encoder_part, first_position
from weam_ray.model.transformers_private import attention_of
from weam_ray.objectives.head import head_losses, token_losses

ALL = slice(None)


@dataclass(frozen=True)
class TensorBatch:
    """A `Batch` as tensors; shapes as there, `exchange` flattened to (B * T,) indices of the flattened positions.

    `moved` and `unmoved` are the indices into `masked` of the tokens that have a partner elsewhere, and of the others.
    `packed` says whether a row holds several sequences, `padded` whether there is padding. `totals` are the `counts` of
    the global batch, (), 1 where there is nothing to count.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor
    exchange: torch.Tensor
    masked: torch.Tensor
    labels: torch.Tensor
    aligned: torch.Tensor
    anchors: torch.Tensor
    moved: torch.Tensor
    unmoved: torch.Tensor
    totals: dict[str, torch.Tensor]
    packed: bool = False
    padded: bool = True

    @classmethod
    def of(cls, batch: Batch, device: torch.device | str = "cpu") -> "TensorBatch":
        """Copy a batch to a device in one transfer; its totals are its own, as if it were all of a step.

        The copy to a GPU is not waited for.
        """
        device = torch.device(device)
        rows, length = batch.input_ids.shape
        flat = (batch.exchange + np.arange(rows)[:, None] * length).ravel()
        moves = flat[batch.masked] != batch.masked
        arrays = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "token_type_ids": batch.token_type_ids,
            "exchange": flat,
            "masked": batch.masked,
            "labels": batch.labels,
            "aligned": batch.aligned,
            "anchors": batch.anchors,
            "moved": np.flatnonzero(moves),
            "unmoved": np.flatnonzero(~moves),
        }
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        counts = torch.tensor([max(1.0, count) for count in batch.counts().values()])
        counted = on_device({"counts": counts}, device)["counts"]
        return cls(
            **on_device(tensors, device),
            totals=dict(zip(batch.counts(), counted.unbind(), strict=True)),
            packed=bool((batch.attention_mask > 1).any()),
            padded=bool((batch.attention_mask == 0).any()),
        )

    def having(self, totals: Mapping[str, torch.Tensor]) -> "TensorBatch":
        """The same as a part of a global batch with these totals."""
        return replace(self, totals=dict(totals))


def on_device(tensors: Mapping[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """Tensors of one type on a device, copied to a GPU as one piece of page-locked memory and not waited for."""
    if device.type == "cpu":
        return dict(tensors)
    whole = torch.cat([tensor.reshape(-1) for tensor in tensors.values()])
    if device.type == "cuda":
        whole = whole.pin_memory()
    parts = whole.to(device, non_blocking=True).split([tensor.numel() for tensor in tensors.values()])
    return {name: part.view(tensor.shape) for (name, tensor), part in zip(tensors.items(), parts, strict=True)}


class MaskedModel(nn.Module):
    """A masked language model that computes logits at chosen positions only.

    A family that is not in the table of FAMILIES computes the logits of all positions, which is slower.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.family = FAMILIES.get(model.config.model_type)
        self.first_position = first_position(model)
        module = model if self.family is None else encoder_part(model)
        takes = "token_type_ids" in inspect.signature(module.forward).parameters
        self.takes_types = takes and getattr(model.config, "type_vocab_size", 2) > 1

    def inputs(self, batch: TensorBatch, rows: torch.Tensor | slice = ALL, length: int | None = None) -> dict[str, Any]:
        """Return the encoder's arguments for the first `length` positions of some rows of a batch."""
        numbers = batch.attention_mask[rows, :length]
        inputs = {"input_ids": batch.input_ids[rows, :length], "attention_mask": self.mask(numbers, batch.padded)}
        if self.takes_types:
            inputs["token_type_ids"] = batch.token_type_ids[rows, :length]
        if batch.packed:
            assert self.family is not None, "sequences side by side need a known family"
            inputs["attention_mask"] = self.block_diagonal(numbers)
            inputs["position_ids"] = positions(numbers) + self.first_position
        return inputs

    def mask(self, numbers: torch.Tensor, padded: bool) -> torch.Tensor | None:
        """What an encoder is given to tell (R, T) positions from padding; None where there is no padding.

        On a GPU, where transformers would look at the mask there and wait for the answer, the mask that its layers add
        to their scores is made here: once, in the type of the products.
        """
        if self.family is None or attention_of(self.model.config) != "sdpa":
            return numbers
        if not padded:
            return None
        return numbers if numbers.device.type == "cpu" else added_mask(numbers, product_type(self.model, numbers))

    def block_diagonal(self, numbers: torch.Tensor) -> torch.Tensor:
        """(R, 1, T, T) who attends to whom, from the (R, T) numbers of the sequences: padding attends to padding.

        The mask is dense, since the kernels that take cumulative lengths instead have no dropout of their own.
        """
        same = numbers[:, None, :, None] == numbers[:, None, None, :]
        if attention_of(self.model.config) == "sdpa" and numbers.device.type == "cpu":
            return same
        dtype = product_type(self.model, numbers)
        return torch.zeros_like(same, dtype=dtype).masked_fill(~same, torch.finfo(dtype).min)

    def states(self, batch: TensorBatch, rows: torch.Tensor | slice = ALL, length: int | None = None) -> torch.Tensor:
        """Encode the first `length` positions of some rows of a batch; the last states, as (R * T, hidden)."""
        return self.encode(self.inputs(batch, rows, length)).flatten(0, 1)

    def encode(self, inputs: Mapping[str, Any]) -> torch.Tensor:
        """The last states of a pass of the encoder, (R, T, hidden)."""
        states: torch.Tensor = encoder_part(self.model)(**inputs).last_hidden_state
        return states

    def logits(self, batch: TensorBatch, positions: torch.Tensor) -> torch.Tensor:
        """Compute the (P, vocabulary) logits of the states at some flattened positions, (P,)."""
        if self.family is None:
            return self.model(**self.inputs(batch)).logits.flatten(0, 1)[positions]
        return self.family.head(self.model, self.states(batch)[positions])

    def losses(self, batch: TensorBatch, positions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(P,) cross entropy of the predictions from the states at some flattened positions, (P,), for labels, (P,)."""
        if self.family is None:
            return token_losses(self.logits(batch, positions), labels)
        hidden = self.family.transform(self.model, self.states(batch)[positions])
        decoder = self.family.decoder(self.model)
        if hasattr(decoder.weight, "ds_id"):  # ZeRO 3 has the weight whole while the module is called, and only then
            return token_losses(decoder(hidden), labels)
        return head_losses(hidden, decoder.weight, decoder.bias, labels)


def product_type(model: Any, tensor: torch.Tensor) -> torch.dtype:
    """The type in which the layers of a model multiply on the device of a tensor."""
    kind = tensor.device.type
    if torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    found: torch.dtype = model.get_input_embeddings().weight.dtype
    return found


def added_mask(numbers: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(R, 1, T, T) what is added to the scores of attention: 0 for positions, the least number for padding, (R, T)."""
    rows, length = numbers.shape
    mask = torch.zeros(rows, length, dtype=dtype, device=numbers.device)
    mask = mask.masked_fill(numbers == 0, torch.finfo(dtype).min)
    return mask[:, None, None, :].expand(rows, 1, length, length)


def positions(numbers: torch.Tensor) -> torch.Tensor:
    """Count each position's place in its own sequence, from 0 and 0 in padding, given the (R, T) sequence numbers."""
    places = torch.arange(numbers.shape[1], device=numbers.device).expand_as(numbers)
    begins = torch.ones_like(numbers, dtype=torch.bool)
    begins[:, 1:] = numbers[:, 1:] != numbers[:, :-1]
    return torch.where(numbers > 0, places - torch.where(begins, places, 0).cummax(dim=1).values, 0)


def masked_prediction(masked_model: MaskedModel, batch: TensorBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss of predicting each masked token from its own state; and the same as a part, (1,)."""
    multilingual = masked_model.losses(batch, batch.masked, batch.labels).sum()
    total = batch.totals["masked"]
    return multilingual / total, multilingual.detach()[None] / total
