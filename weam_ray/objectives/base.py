"""The frame of the objectives: one encoder pass, one call of the head over the rows that are needed.

An objective is a module around the encoder. Its `forward(batch, denominator)` returns the loss to minimise and the
sums over the masked positions of the named `parts`, for the record of the step.
"""

import inspect
import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from weam_ray.encode.collate import Batch
from weam_ray.encoder import FAMILIES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TensorBatch:
    """A `Batch` as tensors; shapes as there, `exchange` flattened to (B * T,) indices of the flattened positions."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    token_type_ids: torch.Tensor
    exchange: torch.Tensor
    masked: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device | str = "cpu") -> "TensorBatch":
        rows, length = batch.input_ids.shape
        arrays = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        flat = (batch.exchange + torch.arange(rows).numpy()[:, None] * length).ravel()
        return cls(*(torch.from_numpy(array).to(device) for array in (*arrays, flat, batch.masked, batch.labels)))


class MaskedModel(nn.Module):
    """A masked language model that gives logits of chosen positions only.

    A family that is not in the table of FAMILIES computes the logits of all positions, which is slower.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.family = FAMILIES.get(model.config.model_type)
        module = model if self.family is None else self.family.encoder(model)
        takes = "token_type_ids" in inspect.signature(module.forward).parameters
        self.takes_types = takes and getattr(model.config, "type_vocab_size", 2) > 1
        if self.family is None:
            log.warning(
                "The model family %r is unknown: the head computes all positions. Known: %s.",
                model.config.model_type,
                ", ".join(FAMILIES),
            )

    def logits(self, batch: TensorBatch, rows: torch.Tensor) -> torch.Tensor:
        """(R, vocabulary) logits of the states at `rows`, (R,) indices of the flattened positions."""
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if self.takes_types:
            inputs["token_type_ids"] = batch.token_type_ids
        if self.family is None:
            return self.model(**inputs).logits.flatten(0, 1)[rows]
        states = self.family.encoder(self.model)(**inputs).last_hidden_state
        return self.family.head(self.model, states.flatten(0, 1)[rows])


def token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(R,) cross entropy of each row, in float32 or wider."""
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    return cross_entropy(logits, labels, reduction="none")
