"""The DeepSpeed engine: one worker's share of the training, at any ZeRO stage."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from weam_ray.objectives.base import TensorBatch
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.train.checkpoint import TAG
from weam_ray.train.engines.bare import fill_gradients, parameter_groups
from weam_ray.train.engines.deepspeed_private import without_shared_memory

OLD_PREFIX = "bf16_"


def deepspeed_config(settings: TrainingSettings) -> dict[str, Any]:
    """DeepSpeed's configuration of a run; the learning rate is set by the loop at every step.

    AdamW is torch's own, fused: DeepSpeed's is compiled when it is first used, which takes a toolkit and a minute.
    """
    training, optimizer = settings.training, settings.optimizer
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
                "torch_adam": True,
                "fused": True,
            },
        },
        "zero_optimization": {"stage": training.zero_stage},
        # with no modules named, gradients are added up and shared between workers in float32
        "torch_autocast": {
            "enabled": training.precision == "bf16",
            "dtype": "bfloat16",
            "lower_precision_safe_modules": [],
        },
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

    def norm(self) -> torch.Tensor | None:
        if self.zero_stage:
            return None
        fill_gradients(self.engine.module)
        return torch.nn.utils.clip_grad_norm_(self.engine.module.parameters(), self.max_gradient_norm)

    def step(self, rate: float) -> float | None:
        self.pending = 0
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate
        self.engine.step()
        return float(self.engine.get_global_grad_norm()) if self.zero_stage else None

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        values = values.to(self.device)
        if dist.get_world_size() > 1:
            dist.all_reduce(values)
        return values

    def save(self, folder: str | Path) -> None:
        """Write this worker's part of a checkpoint."""
        self.engine.save_checkpoint(str(folder), tag=TAG, save_latest=False)

    def load(self, folder: str | Path) -> None:
        """Read weights and optimizer state of a checkpoint made by as many workers at the same ZeRO stage."""
        groups = self.engine.optimizer.param_groups
        configured = [{key: group[key] for key in ("betas", "eps", "weight_decay")} for group in groups]
        with names_of_today(Path(folder)) as named:
            loaded, _ = self.engine.load_checkpoint(str(named), tag=TAG)
        assert loaded is not None, f"DeepSpeed loaded nothing from {folder}"
        for group, own in zip(self.engine.optimizer.param_groups, configured, strict=True):
            group.update(own)  # a run that goes on from another has its own settings
        self.count_steps()

    def count_steps(self) -> None:
        """Give each weight the number of its steps, which DeepSpeed's own Adam, in older runs, kept for a group."""
        optimizer = getattr(self.engine.optimizer, "optimizer", self.engine.optimizer)
        for group in optimizer.param_groups:
            steps = group.pop("step", None)
            for parameter in group["params"]:
                state = optimizer.state[parameter]
                counted = state.get("step", steps)
                if state and not isinstance(counted, torch.Tensor):
                    state["step"] = torch.tensor(float(counted), device=parameter.device)

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


@contextmanager
def names_of_today(folder: Path) -> Iterator[Path]:
    """A checkpoint under the names that DeepSpeed looks for; those of older runs in bf16 began with `bf16_`."""
    files = list((folder / TAG).iterdir())
    if not any(file.name.startswith(OLD_PREFIX) for file in files):
        yield folder
        return
    with tempfile.TemporaryDirectory() as name:
        tag = Path(name) / TAG
        tag.mkdir()
        for file in files:
            (tag / file.name.removeprefix(OLD_PREFIX)).symlink_to(file.absolute())
        yield Path(name)
