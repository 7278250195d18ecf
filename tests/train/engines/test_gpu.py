"""What a training on a GPU asks of DeepSpeed, with a stand-in for it."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from weam_ray.settings.config import load_config
from weam_ray.train.engines.deepspeed import DeepSpeedEngine, deepspeed_config

SETTINGS = ("training.num_workers=2", "training.batch_size=8", "training.micro_batch_size=2")
SHARED_MEMORY = "deepspeed_shm_comm"


class Weights(torch.nn.Module):
    parts = ("loss",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))


@pytest.mark.parametrize("use_gpu", [True, False])
def test_what_is_asked_of_deepspeed(monkeypatch: pytest.MonkeyPatch, use_gpu: bool) -> None:
    """The device is DeepSpeed's; what would be compiled for communication between CPUs is switched off there alone."""
    import deepspeed

    asked: dict[str, Any] = {}

    def initialize(**options: Any) -> tuple[Any, None]:
        asked.update(options)
        return SimpleNamespace(train=lambda: None, device="cuda:1" if use_gpu else "cpu"), None

    ops: dict[str, bool] = {}
    monkeypatch.setattr(deepspeed, "initialize", initialize)
    monkeypatch.setattr(deepspeed.ops, "__compatible_ops__", ops)
    config = load_config("bundled", [*SETTINGS, "training.zero_stage=2", f"training.use_gpu={str(use_gpu).lower()}"])
    engine = DeepSpeedEngine(Weights(), config)
    assert engine.device == (torch.device("cuda", 1) if use_gpu else torch.device("cpu"))
    assert ops == ({} if use_gpu else {SHARED_MEMORY: False})
    assert asked["config"] == deepspeed_config(config)
    assert asked["dist_init_required"] is False
    given = asked["config"]
    assert (given["train_batch_size"], given["train_micro_batch_size_per_gpu"]) == (8, 2)
    assert given["gradient_accumulation_steps"] == 2
    assert given["zero_optimization"] == {"stage": 2}
    assert given["optimizer"]["type"] == "AdamW"
    assert given["optimizer"]["params"]["lr"] == config.optimizer.learning_rate
