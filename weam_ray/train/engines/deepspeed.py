"""The DeepSpeed engine: one worker's share of the training, at any ZeRO stage."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from weam_ray.objectives.base import TensorBatch
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.train.checkpoint import TAG
from weam_ray.train.engines.bare import fill_gradients, parameter_groups
from weam_ray.train.engines.deepspeed_private import without_shared_memory


def deepspeed_config(settings: TrainingSettings) -> dict[str, Any]:
    """DeepSpeed's configuration of a run; the learning rate is set by the loop at every step."""
    training, optimizer = settings.training, settings.optimizer
    # on a GPU DeepSpeed's fused Adam, on a CPU that of torch
    kind = {} if training.use_gpu else {"torch_adam": True, "fused": True}
    return {
        "train_batch_size": training.batch_size,
        "train_micro_batch_size_per_gpu": training.micro_batch_size,
        "gradient_accumulation_steps": training.accumulation_steps,
        # at stage 0 the engine clips, since DeepSpeed would not say what the norm was
        "gradient_clipping": optimizer.max_gradient_norm if training.zero_stage else 0.0,
        "optimizer": {
            "type": "AdamW",
            "params": {
                "lr": optimizer.learning_rate,
                "betas": optimizer.betas,
                "eps": optimizer.epsilon,
                "weight_decay": optimizer.weight_decay,
                **kind,
            },
        },
        "zero_optimization": {"stage": training.zero_stage},
        "bf16": {"enabled": training.precision == "bf16"},
        "steps_per_print": 10**9,
        "wall_clock_breakdown": False,
    }


class DeepSpeedEngine:
    """An objective under DeepSpeed; every method is called by all workers together.

    torch.distributed must be initialised.
    """

    def __init__(self, objective: Any, settings: TrainingSettings) -> None:
        import deepspeed

        deepspeed.logger.setLevel("WARNING")
        if not settings.training.use_gpu:
            without_shared_memory()
        self.parts: tuple[str, ...] = objective.parts
        self.zero_stage = settings.training.zero_stage
        self.accumulation_steps = settings.training.accumulation_steps
        # DeepSpeed takes the mean over workers and accumulated micro-batches; the objective has already divided by
        # the masked positions of the whole batch, so the sum is wanted
        self.scale = float(settings.training.num_workers * self.accumulation_steps)
        self.pending = 0
        self.max_gradient_norm = settings.optimizer.max_gradient_norm or float("inf")
        groups = parameter_groups(objective, settings.optimizer.weight_decay)
        self.engine, *_ = deepspeed.initialize(
            model=objective,
            model_parameters=groups,
            config=deepspeed_config(settings),
            dist_init_required=False,
        )
        self.engine.train()
        self.device = torch.device(self.engine.device)

    @property
    def rank(self) -> int:
        return dist.get_rank()

    def forward(self, batches: Sequence[TensorBatch], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.engine(*batches, step=step)

    def backward(self, loss: torch.Tensor) -> None:
        with self.unshared():
            self.engine.backward(loss * self.scale)
        self.pending += 1
        if self.pending < self.accumulation_steps:
            self.engine.step()  # DeepSpeed counts micro-batches here; the weights stay as they are

    def unshared(self) -> AbstractContextManager[Any]:
        """At stage 0, a single worker has nobody to share gradients with, and need not copy them to do so."""
        alone = self.zero_stage == 0 and dist.get_world_size() == 1
        return self.engine.no_sync() if alone else nullcontext()

    def step(self, rate: float) -> float:
        self.pending = 0
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate
        if self.zero_stage == 0:
            fill_gradients(self.engine.module)
            norm = torch.nn.utils.clip_grad_norm_(self.engine.module.parameters(), self.max_gradient_norm)
            self.engine.step()
            return norm.item()
        self.engine.step()
        return float(self.engine.get_global_grad_norm())

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        if dist.get_world_size() == 1:
            return values
        values = values.to(self.device)
        dist.all_reduce(values)
        return values.cpu()

    def save(self, folder: str | Path) -> None:
        """Write this worker's part of a checkpoint."""
        self.engine.save_checkpoint(str(folder), tag=TAG, save_latest=False)

    def load(self, folder: str | Path) -> None:
        """Read weights and optimizer state of a checkpoint made by as many workers at the same ZeRO stage."""
        groups = self.engine.optimizer.param_groups
        configured = [{key: group[key] for key in ("betas", "eps", "weight_decay")} for group in groups]
        loaded, _ = self.engine.load_checkpoint(str(folder), tag=TAG)
        assert loaded is not None, f"DeepSpeed loaded nothing from {folder}"
        for group, own in zip(self.engine.optimizer.param_groups, configured, strict=True):
            group.update(own)  # a run that goes on from another has its own settings

    def full_weights(self) -> dict[str, torch.Tensor] | None:
        """The whole model's weights in float32 by name, on the first worker; None elsewhere."""
        from deepspeed.utils import safe_get_full_fp32_param

        weights = {}
        first = dist.get_rank() == 0
        for name, parameter in self.engine.module.masked_model.model.named_parameters():
            full = safe_get_full_fp32_param(parameter)
            if first:
                weights[name] = (parameter.detach() if full is None else full).float().cpu().clone()
        return weights if first else None
