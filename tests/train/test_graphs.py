"""Recorded passes of the encoder: the same losses and gradients as without, whatever stands in between."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.objectives.test_objectives import bert, random_batch, settings
from weam_ray.objectives.base import TensorBatch
from weam_ray.objectives.table import build_objective
from weam_ray.settings.config import load_config
from weam_ray.settings.training import TrainingSection
from weam_ray.train.graphs import MOST_SHAPES, RecordedEncoder, with_graphs


class Again:
    """In place of CUDA graphs: does the work anew each time, and counts the recordings and the plays."""

    def __init__(self) -> None:
        self.recorded = self.played = 0

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1
        work()

        def play() -> None:
            self.played += 1
            with torch.enable_grad():
                work()

        return play


def recorded(objective: Any) -> Again:
    """Have the encoder of an objective recorded."""
    again = Again()
    objective.masked_model.encode = RecordedEncoder(objective.masked_model, again)
    return again


def gradients(objective: Any, batches: list[TensorBatch]) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The losses of some micro-batches, and their gradients added up."""
    objective.zero_grad()
    losses = []
    for number, batch in enumerate(batches):
        torch.manual_seed(number)  # of dropout
        loss, _ = objective(batch)
        loss.backward()
        losses.append(loss.item())
    return losses, {name: one.grad.clone() for name, one in objective.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("name", ["weam", "tlm", "word_aligned"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_nothing_changes(name: str, dropout: float) -> None:
    """Over micro-batches of two shapes in turn, of which the second ones are played from recordings of the first."""
    batches = [random_batch(seed, length=length) for seed, length in enumerate((12, 16, 12, 16))]
    plain, own = (build_objective(bert(dropout), settings(name)).train() for _ in range(2))
    again = recorded(own)
    expected, found = gradients(plain, batches), gradients(own, batches)
    assert found[0] == expected[0]
    assert found[1].keys() == expected[1].keys()
    for weight, gradient in expected[1].items():
        torch.testing.assert_close(found[1][weight], gradient, rtol=1e-6, atol=1e-8)
    assert (again.recorded, again.played) == (4, 8)


def test_weights_that_have_changed_are_used() -> None:
    batch = random_batch(1)
    plain, own = (build_objective(bert(), settings()).train() for _ in range(2))
    recorded(own)
    for _ in range(3):
        for objective in (plain, own):
            gradients(objective, [batch])
            torch.optim.SGD(objective.parameters(), lr=0.1).step()
    assert gradients(own, [batch])[0] == gradients(plain, [batch])[0]


def test_products_in_bfloat16() -> None:
    batch = random_batch(1)
    plain, own = (build_objective(bert(), settings()).train() for _ in range(2))
    recorded(own)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = gradients(plain, [batch, batch]), gradients(own, [batch, batch])
    assert found[0] == expected[0]
    for weight, gradient in expected[1].items():
        torch.testing.assert_close(found[1][weight], gradient, rtol=2e-2, atol=1e-4)


def test_evaluation_is_not_recorded() -> None:
    own = build_objective(bert(), settings())
    again = recorded(own)
    own.eval()(random_batch(1))
    with torch.no_grad():
        own.train()(random_batch(1))
    assert again.recorded == 0


def test_two_passes_before_a_backward_pass() -> None:
    """As in a mixture: they cannot share the memory, so the second is not played."""
    first, second = random_batch(1), random_batch(2)
    plain, own = (build_objective(bert(), settings()).train() for _ in range(2))
    again = recorded(own)
    for objective in (plain, own):
        (objective(first)[0] + objective(second)[0]).backward()
    assert again.played == 2
    for one, other in zip(own.parameters(), plain.parameters(), strict=True):
        if other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=1e-8)


def test_no_more_than_so_many_shapes() -> None:
    own = build_objective(bert(), settings("tlm")).train()
    again = recorded(own)
    for length in range(4, 4 + 2 * (MOST_SHAPES + 2), 2):
        gradients(own, [random_batch(1, length=length)])
    assert again.recorded == 2 * MOST_SHAPES


class TestWhere:
    def test_not_on_cpus(self) -> None:
        objective = build_objective(bert(), settings())
        with_graphs(objective.masked_model, TrainingSection(cuda_graphs=True))
        assert not isinstance(objective.masked_model.encode, RecordedEncoder)

    @pytest.mark.parametrize(
        ("overrides", "expected"),
        [
            ([], True),
            (["training.cuda_graphs=false"], False),
            (["training.zero_stage=2"], True),
            (["training.zero_stage=3"], False),
            (["training.compile=true"], False),
            (["training.gradient_checkpointing=true"], False),
            (["training.use_gpu=false", "training.cuda_graphs=true"], False),
        ],
    )
    def test_settings(self, overrides: list[str], expected: bool) -> None:
        config = load_config("bundled", ["training.use_gpu=true", *overrides])
        assert config.training.uses_graphs is expected
