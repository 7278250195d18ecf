"""WEAM: the Word-Exchange Aligning Model (Yang et al. 2021, Figure 1).

Multilingual prediction is TLM's. For cross-lingual prediction the states of aligned words are exchanged, and each
masked token is predicted from the state that now stands at its place. The sum `L_mp + lambda L_cp`, the shared head
and `normalize` are our choices.
"""

from typing import Any

import torch
from torch import nn

from weam_ray.config import ObjectiveSection
from weam_ray.objectives.base import MaskedModel, TensorBatch, token_losses


class WEAM(nn.Module):
    """Each masked token is predicted from its own state, and from that of its aligned partner."""

    def __init__(self, model: Any, settings: ObjectiveSection) -> None:
        super().__init__()
        self.masked_model = MaskedModel(model)
        self.weight = settings.lambda_
        self.parts = ("multilingual_loss", "cross_lingual_loss")[: 1 if self.weight == 0 else 2]
        self.scale = 1.0 / (1.0 + settings.lambda_) if settings.normalize else 1.0

    def forward(self, batch: TensorBatch, denominator: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a micro-batch, and the sums of `parts`, (1,) or (2,), detached.

        `denominator` is the number of masked positions of the global batch.
        The head runs once, over the M masked positions and then the P partners that are other positions: a masked
        token without a partner has the same logits in both predictions. With lambda = 0 this is TLM, bit for bit.
        """
        if self.weight == 0:
            logits = self.masked_model.logits(batch, batch.masked)
            multilingual = token_losses(logits, batch.labels).sum()
            return multilingual / denominator, multilingual.detach()[None]
        partners = batch.exchange[batch.masked]
        moved = partners != batch.masked
        logits = self.masked_model.logits(batch, torch.cat([batch.masked, partners[moved]]))
        losses = token_losses(logits, torch.cat([batch.labels, batch.labels[moved]]))
        own, exchanged = losses[: len(batch.masked)], losses[len(batch.masked) :]
        multilingual = own.sum()
        cross_lingual = own[~moved].sum() + exchanged.sum()
        total = (multilingual + self.weight * cross_lingual) * self.scale / denominator
        return total, torch.stack([multilingual.detach(), cross_lingual.detach()])
