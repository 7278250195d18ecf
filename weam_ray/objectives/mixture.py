"""A mixture of objectives: the weighted sum of their losses on the same rows, each in the form that it takes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from weam_ray.objectives.base import TensorBatch


class Mixture(nn.Module):
    """Objectives around one encoder, one encoder pass each. A member of weight 0 is no member: it is not computed."""

    def __init__(self, members: Mapping[str, Any], weights: Mapping[str, float]) -> None:
        """Join some objectives.

        Args:
            members: objectives around the same masked language model, by name.
            weights: the weight of each, by name.
        """
        super().__init__()
        self.weights = tuple(weights[name] for name in members)
        self.members = nn.ModuleList(members.values())
        self.masked_model = next(iter(members.values())).masked_model
        self.parts = tuple(f"{name}/{part}" for name, member in members.items() for part in member.parts)

    def forward(self, *batches: TensorBatch, step: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the loss of a micro-batch, given in the form of each member, and the `parts` of all."""
        results = [member(batch, step=step) for member, batch in zip(self.members, batches, strict=True)]
        losses = [weight * loss for weight, (loss, _) in zip(self.weights, results, strict=True)]
        return torch.stack(losses).sum(), torch.cat([parts for _, parts in results])
