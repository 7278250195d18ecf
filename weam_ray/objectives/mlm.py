"""MLM: masked language modelling on sentences that stand alone (Devlin et al. 2019, section 3.1).

On parallel text each side of a pair is a sentence of its own: TLM without the translation, the control to it. From a
`scratch` encoder this makes a base encoder.
"""

from typing import Any

import torch
from torch import nn

from weam_ray.objectives.base import MaskedModel, TensorBatch, masked_prediction
from weam_ray.settings.objective import ObjectiveSection


class MLM(nn.Module):
    """The objective that predicts each masked token from its own state, its sentence encoded alone."""

    def __init__(self, model: Any, settings: ObjectiveSection) -> None:
        super().__init__()
        self.masked_model = MaskedModel(model)
        self.parts = ("multilingual_loss",)

    def forward(self, batch: TensorBatch, step: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of a micro-batch, and its `parts`, (1,)."""
        return masked_prediction(self.masked_model, batch)
