"""The plain PyTorch engine: one worker, no DeepSpeed; what the others are measured and tested against."""

from collections.abc import Sequence
from typing import Any

import torch

from weam_ray.objectives.base import TensorBatch
from weam_ray.settings.training import OptimizerSection
from weam_ray.train.engines.device import in_precision


def parameter_groups(module: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only, none for biases and norms."""
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    decayed = [parameter for _, parameter in named if parameter.ndim > 1]
    plain = [parameter for _, parameter in named if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def fill_gradients(module: Any) -> None:
    """Give the weights that a step did not use a gradient of zero: they decay like the others, however many workers."""
    for parameter in module.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


class BareEngine:
    """An objective with AdamW, on one device."""

    def __init__(
        self,
        objective: Any,
        settings: OptimizerSection,
        device: torch.device | str = "cpu",
        precision: str = "fp32",
    ) -> None:
        self.device = torch.device(device)
        self.objective = objective.train().to(self.device)
        self.parts: tuple[str, ...] = objective.parts
        self.precision = precision
        self.max_gradient_norm = settings.max_gradient_norm
        beta1, beta2 = settings.betas
        self.optimizer = torch.optim.AdamW(
            parameter_groups(objective, settings.weight_decay), betas=(beta1, beta2), eps=settings.epsilon, fused=True
        )

    def forward(self, batches: Sequence[TensorBatch], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        with in_precision(self.precision, self.device):
            loss, parts = self.objective(*batches, step=step)
        return loss, parts

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()

    def norm(self) -> torch.Tensor:
        limit = self.max_gradient_norm or float("inf")
        fill_gradients(self.objective)
        return torch.nn.utils.clip_grad_norm_(self.objective.parameters(), limit)

    def step(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values
