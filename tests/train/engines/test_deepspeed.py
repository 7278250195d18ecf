"""DeepSpeed's engine as a training worker makes it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import environment

BEGIN = """
import sys
import torch
from torch import distributed
from weam_ray.settings.config import load_config
from weam_ray.train.engines.deepspeed import DeepSpeedEngine

class Square(torch.nn.Module):
    parts = ("loss",)

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, step):
        return self.weight.square().sum()

plain = ["training.batch_size=8", "training.micro_batch_size=8", "optimizer.weight_decay=0", *sys.argv[2:]]
settings = load_config("bundled", plain).of_training()
distributed.init_process_group("gloo", rank=0, world_size=1, store=distributed.HashStore())
"""
ONE_STEP = """
engine = DeepSpeedEngine(Square(), settings)
engine.backward(engine.forward((), step=1))
norm = engine.norm().item()
engine.step(0.1)
print([round(value, 4) for value in (norm, *engine.engine.module.weight.tolist())])
"""
# gradients of 1 and three of 2^-10: to bfloat16, which has 8 bits, their sum is 1
ACCUMULATED = """
class Product(torch.nn.Module):
    parts = ("loss",)

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1, bias=False)

    def forward(self, step):
        product = self.layer(torch.tensor([[2.0**-10 if step else 1.0]]))
        assert product.dtype == torch.bfloat16
        return product.sum()

engine = DeepSpeedEngine(Product(), settings)
for number in range(4):
    engine.backward(engine.forward((), step=number))
norm = engine.norm()
late = engine.step(0.1)
print([norm.item() if late is None else late, str(engine.engine.module.layer.weight.dtype)])
"""
# checkpoints in bf16 had weights in that type, and float32 ones with the optimizer's state
OLD_AND_NEW = """
from deepspeed.utils import safe_get_full_fp32_param
from weam_ray.train.engines import deepspeed as ours

def old_config(settings):
    old = today(settings)
    del old["torch_autocast"]
    return {**old, "bf16": {"enabled": True}}

def steps(engine, number):
    for _ in range(number):
        engine.backward(engine.forward((), step=1))
        engine.norm()
        engine.step(0.011)
    return safe_get_full_fp32_param(engine.engine.module.weight).tolist()

today, ours.deepspeed_config = ours.deepspeed_config, old_config
old = DeepSpeedEngine(Square(), settings)
before = steps(old, 3)
old.save(sys.argv[1])
ours.deepspeed_config = today
engine = DeepSpeedEngine(Square(), settings)
engine.load(sys.argv[1])
print([before, steps(engine, 0), steps(old, 2), steps(engine, 2), str(engine.engine.module.weight.dtype)])
"""


def found(script: str, place: Path, *arguments: str) -> Any:
    """What a script prints last, as the only worker of a training; extensions would be compiled into `place`."""
    own = environment(TORCH_EXTENSIONS_DIR=str(place), RANK="0", LOCAL_RANK="0", WORLD_SIZE="1")
    command = [sys.executable, "-c", BEGIN + script, *arguments]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1].replace("'", '"'))


def test_a_step_and_nothing_compiled(tmp_path: Path) -> None:
    """A first training on a machine does not wait for a compiler, nor need one."""
    # a gradient of 2 in each of three weights; the first step of Adam is as long as the rate
    assert found(ONE_STEP, tmp_path, "") == [3.4641, 0.9, 0.9, 0.9]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_micro_batches_add_up_in_float32_though_products_are_bfloat16(tmp_path: Path, stage: int) -> None:
    overrides = ("training.precision=bf16", f"training.zero_stage={stage}", "training.micro_batch_size=2")
    norm, kind = found(ACCUMULATED, tmp_path, "", *overrides, "optimizer.max_gradient_norm=0")
    assert norm == 1 + 3 * 2**-10
    assert kind == "torch.float32"


@pytest.mark.parametrize("stage", [1, 3])
def test_an_older_checkpoint_in_bf16_goes_on(tmp_path: Path, stage: int) -> None:
    overrides = ("training.precision=bf16", f"training.zero_stage={stage}")
    before, loaded, expected, gone_on, kind = found(OLD_AND_NEW, tmp_path, str(tmp_path / "checkpoint"), *overrides)
    assert loaded == before
    assert gone_on == pytest.approx(expected, rel=1e-3)  # whose gradients were rounded
    assert kind == "torch.float32"
