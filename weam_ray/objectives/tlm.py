"""TLM: masked language modelling on the concatenated pair (Lample & Conneau 2019, section 3.3).

Here with the encoder's own separator between the sentences, no position reset and no language ids.
"""

from typing import Any

import torch
from torch import nn

from weam_ray.objectives.base import MaskedModel, TensorBatch, masked_prediction
from weam_ray.settings.objective import ObjectiveSection


class TLM(nn.Module):
    """The objective that predicts each masked token from its own state, which sees the translation as well."""

    def __init__(self, model: Any, settings: ObjectiveSection) -> None:
        super().__init__()
        self.masked_model = MaskedModel(model)
        self.parts = ("multilingual_loss",)

    def forward(self, batch: TensorBatch, step: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of a micro-batch, and its `parts`, (1,)."""
        return masked_prediction(self.masked_model, batch)
