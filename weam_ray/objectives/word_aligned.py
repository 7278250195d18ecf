"""Word alignment of states (Cao, Kitaev & Klein 2020, section 3.2): translations are drawn together.

The sentences are encoded apart. The squared distance between the last states of aligned words is the mean over word
pairs; the states of the anchor language are held where the initial encoder, frozen, has them: the mean over all its
positions but padding, times `anchor_weight`. Means, and the positions that are held, are our choices.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from weam_ray.objectives.base import MaskedModel, TensorBatch
from weam_ray.settings.objective import ObjectiveSection


class WordAligned(nn.Module):
    """The objective that draws the states of aligned words together, and holds those of the anchor language."""

    def __init__(self, model: Any, settings: ObjectiveSection) -> None:
        super().__init__()
        self.masked_model = MaskedModel(model)
        self.initial = MaskedModel(deepcopy(model).requires_grad_(False))
        self.weight = settings.anchor_weight
        self.parts = ("alignment_loss", "anchor_loss")

    def train(self, mode: bool = True) -> "WordAligned":
        """Switch dropout on or off, but for the frozen encoder, which has none."""
        super().train(mode)
        self.initial.eval()
        return self

    def forward(self, batch: TensorBatch, step: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of a micro-batch, and its `parts`, (2,)."""
        states = self.masked_model.states(batch)
        source, target = states[batch.aligned[:, 0]], states[batch.aligned[:, 1]]
        alignment = (source - target).square().sum() / batch.totals["aligned"]
        moved = states[batch.anchors] - self.anchor_states(batch)
        anchor = moved.square().sum() / batch.totals["anchors"]
        return alignment + self.weight * anchor, torch.stack([alignment.detach(), anchor.detach()])

    @torch.no_grad()
    def anchor_states(self, batch: TensorBatch) -> torch.Tensor:
        """Return the initial encoder's (E, hidden) states at the anchors; rows are encoded up to the last of them."""
        length = batch.input_ids.shape[1]
        rows, place = torch.unique(batch.anchors // length, return_inverse=True)
        columns = batch.anchors % length
        width = int(columns.max()) + 1 if len(rows) else 1
        if not len(rows):  # under ZeRO 3 all workers run the encoder, since each holds a part of its weights
            rows = rows.new_zeros(1)
        return self.initial.states(batch, rows, width)[place * width + columns]
