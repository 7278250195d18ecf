"""DeepSpeed's engine as a training worker makes it."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.processes import environment

ONE_STEP = """
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

config = load_config("bundled", ["training.batch_size=8", "training.micro_batch_size=8", "optimizer.weight_decay=0"])
distributed.init_process_group("gloo", rank=0, world_size=1, store=distributed.HashStore())
engine = DeepSpeedEngine(Square(), config.of_training())
engine.backward(engine.forward((), step=1))
norm = engine.norm().item()
engine.step(0.1)
print([round(value, 4) for value in (norm, *engine.engine.module.weight.tolist())])
"""


def test_a_step_and_nothing_compiled(tmp_path: Path) -> None:
    """A first training on a machine does not wait for a compiler, nor need one."""
    own = environment(TORCH_EXTENSIONS_DIR=str(tmp_path), RANK="0", LOCAL_RANK="0", WORLD_SIZE="1")
    done = subprocess.run([sys.executable, "-c", ONE_STEP], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    # a gradient of 2 in each of three weights; the first step of Adam is as long as the rate
    assert json.loads(done.stdout.splitlines()[-1]) == [3.4641, 0.9, 0.9, 0.9]
    assert list(tmp_path.iterdir()) == []
