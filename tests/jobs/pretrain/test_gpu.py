"""What a run on GPUs says before it begins."""

import pytest

from weam_ray.jobs.cost import batch_lines
from weam_ray.settings.config import load_config


@pytest.mark.parametrize(
    ("use_gpu", "each", "over"), [("true", "3 CPU threads + 1 GPU", "NCCL"), ("false", "3 CPU threads", "gloo")]
)
def test_workers(use_gpu: str, each: str, over: str) -> None:
    given = ("training.num_workers=2", "training.batch_size=8", "training.threads_per_worker=3")
    lines = batch_lines(load_config("bundled", [*given, f"training.use_gpu={use_gpu}"]))
    assert f"workers: 2 x {each}, ZeRO stage 0, fp32, torch.distributed over {over}" in lines
