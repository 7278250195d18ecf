"""WEAM: the Word-Exchange Aligning Model (Yang et al. 2021, Figure 1).

Multilingual prediction is TLM's. For cross-lingual prediction the states of aligned words are exchanged, and each
masked token is predicted from the state that now stands at its place. The sum `L_mp + lambda L_cp`, the shared head,
`normalize` and a lambda that changes by step are our choices.
"""

from typing import Any

import torch
from torch import nn

from weam_ray.objectives.base import MaskedModel, TensorBatch, masked_prediction
from weam_ray.settings.objective import ObjectiveSection, value_at, values


class WEAM(nn.Module):
    """The objective that predicts each masked token from its own state, and from that of its aligned partner."""

    def __init__(self, model: Any, settings: ObjectiveSection) -> None:
        super().__init__()
        self.masked_model = MaskedModel(model)
        self.weight = settings.lambda_
        self.normalize = settings.normalize
        self.parts = ("multilingual_loss", "cross_lingual_loss")[: 2 if any(values(settings.lambda_)) else 1]

    def forward(self, batch: TensorBatch, step: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of a micro-batch at a step, and its `parts`, (1,) or (2,).

        The head runs once, over the M masked positions and then the P partners that are other positions: a masked
        token without a partner has the same logits in both predictions. At a step whose lambda is 0 this is TLM, bit
        for bit, and the cross-lingual part is not computed (NaN).
        """
        weight = value_at(self.weight, step)
        if weight == 0:
            loss, parts = masked_prediction(self.masked_model, batch)
            return loss, torch.cat([parts, parts.new_full((len(self.parts) - 1,), torch.nan)])
        partners = batch.exchange[batch.masked[batch.moved]]
        places = torch.cat([batch.masked, partners])
        losses = self.masked_model.losses(batch, places, torch.cat([batch.labels, batch.labels[batch.moved]]))
        own, exchanged = losses[: len(batch.masked)], losses[len(batch.masked) :]
        multilingual = own.sum()
        cross_lingual = own[batch.unmoved].sum() + exchanged.sum()
        total = batch.totals["masked"]
        scale = 1.0 / (1.0 + weight) if self.normalize else 1.0
        loss = (multilingual + weight * cross_lingual) * scale / total
        return loss, torch.stack([multilingual.detach(), cross_lingual.detach()]) / total
