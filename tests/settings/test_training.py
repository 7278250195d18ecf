"""Settings of training: batches that divide, and what goes together."""

from typing import Any

import pytest

from weam_ray.errors import UserError
from weam_ray.settings.config import load_config
from weam_ray.settings.training import TrainingSection


@pytest.mark.parametrize(
    ("given", "micro_batch_size", "threads", "accumulation"),
    [
        ({}, 32, 2, 1),
        ({"batch_size": 48, "num_workers": 2}, 24, 1, 1),
        ({"batch_size": 64, "num_workers": 4}, 16, 1, 1),
        ({"batch_size": 64, "num_workers": 4, "micro_batch_size": 2}, 2, 1, 8),
        ({"batch_size": 12, "micro_batch_size": 4, "threads_per_worker": 5}, 4, 5, 3),
        ({"batch_size": 8, "micro_batch_size": None, "threads_per_worker": None}, 8, 2, 1),
    ],
)
def test_batch_arithmetic(given: dict[str, Any], micro_batch_size: int, threads: int, accumulation: int) -> None:
    training = TrainingSection.model_validate(given)
    assert training.micro_batch_size == micro_batch_size
    assert training.threads_per_worker == threads
    assert training.accumulation_steps == accumulation


def test_bf16_needs_float32_weights_beside() -> None:
    with pytest.raises(UserError, match=r"training: precision bf16 needs zero_stage 1 or more"):
        load_config("bundled", ["training.precision=bf16"])
    assert load_config("bundled", ["training.precision=bf16", "training.zero_stage=1"]).training.precision == "bf16"
