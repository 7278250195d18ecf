"""The memory of a training, as it is estimated beforehand."""

from types import SimpleNamespace

import pytest

from weam_ray.jobs.cost import Memory, memory_of
from weam_ray.settings.config import load_config

GIB = 2**30


def memory(pairs: int, *overrides: str) -> Memory:
    """Of multilingual BERT's shape on one GPU."""
    plain = ["training.num_workers=1", "training.zero_stage=0", f"training.batch_size={pairs}"]
    config = load_config("paper", [*plain, f"training.micro_batch_size={pairs}", *overrides])
    shape = SimpleNamespace(num_hidden_layers=12, hidden_size=768)
    return memory_of(config.of_training(), shape, 177_974_523, 119_547)


@pytest.mark.parametrize(("pairs", "measured"), [(32, 6.0), (256, 22.9), (1024, 57.7)])
def test_what_was_measured_on_an_h100(pairs: int, measured: float) -> None:
    assert memory(pairs).total / GIB == pytest.approx(measured, rel=0.15)


def test_what_takes_less() -> None:
    plain = memory(256)
    assert memory(256, "training.gradient_checkpointing=true").total < 0.6 * plain.total
    assert memory(256, "training.precision=fp32").total > plain.total
    sharded = memory(256, "training.num_workers=4", "training.batch_size=1024", "training.zero_stage=1")
    assert (sharded.optimizer, sharded.weights) == (plain.optimizer / 4, plain.weights)
    assert memory(1024).head == plain.head  # made by chunks
