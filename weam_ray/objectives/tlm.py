"""TLM: masked language modelling on the concatenated pair (Lample & Conneau 2019, section 3.3).

Here with the encoder's own separator between the sentences, no position reset and no language ids.
"""

from typing import Any

import torch
from torch import nn

from weam_ray.config import ObjectiveSection
from weam_ray.objectives.base import MaskedModel, TensorBatch, token_losses


class TLM(nn.Module):
    """Each masked token is predicted from its own state."""

    def __init__(self, model: Any, settings: ObjectiveSection) -> None:
        super().__init__()
        self.masked_model = MaskedModel(model)
        self.parts = ("multilingual_loss",)

    def forward(self, batch: TensorBatch, denominator: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a micro-batch, and the sums of `parts`, (1,), detached.

        `denominator` is the number of masked positions of the global batch.
        """
        logits = self.masked_model.logits(batch, batch.masked)
        multilingual = token_losses(logits, batch.labels).sum()
        return multilingual / denominator, multilingual.detach()[None]
