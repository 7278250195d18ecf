"""Mixtures are weighted sums, and a member of weight 0 is no member; schedules of lambda."""

import math
from dataclasses import replace

import pytest
import torch

from tests.objectives.test_objectives import bert, gradients, random_batch, settings
from weam_ray.objectives.table import build_objective


def mixture(model: torch.nn.Module, **weights: float) -> torch.nn.Module:
    return build_objective(model, settings("mixture", mixture=weights))


def test_weighted_sum_of_losses_and_gradients() -> None:
    model = bert()
    one, other = random_batch(0), random_batch(1)
    expected_loss, expected_gradient, expected_parts = 0.0, 0.0, []
    for name, weight, batch in (("mlm", 0.5, one), ("weam", 2.0, other)):
        loss, parts = build_objective(model, settings(name))(batch)
        loss.backward()
        expected_loss += weight * loss.item()
        expected_gradient = expected_gradient + weight * gradients(model)
        expected_parts += parts.tolist()
        model.zero_grad()
    objective = mixture(model, weam=2.0, mlm=0.5)
    loss, parts = objective(one, other)
    loss.backward()
    assert objective.parts == ("mlm/multilingual_loss", "weam/multilingual_loss", "weam/cross_lingual_loss")
    assert loss.item() == pytest.approx(expected_loss, rel=1e-6)
    assert parts.tolist() == pytest.approx(expected_parts, rel=1e-6)
    torch.testing.assert_close(gradients(model), expected_gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["mlm", "tlm", "weam", "word_aligned"])
def test_weight_zero_is_bit_equal_to_the_other_alone(name: str) -> None:
    """Dropout on, ten steps of an optimizer."""
    others = {other: 0.0 for other in ("mlm", "tlm", "weam", "word_aligned") if other != name}
    found = []
    for alone in (True, False):
        model = bert(dropout=0.1)
        objective = build_objective(model, settings(name)) if alone else mixture(model, **{name: 1.0, **others})
        objective.train()
        optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-2)
        losses = []
        for step in range(10):
            torch.manual_seed(step)
            loss, _ = objective(random_batch(step), step=step + 1)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        found.append((losses, torch.cat([p.detach().flatten() for p in model.parameters()])))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


def test_the_encoder_is_shared() -> None:
    model = bert()
    objective = mixture(model, mlm=1.0, tlm=1.0)
    assert {id(p) for p in objective.parameters()} == {id(p) for p in model.parameters()}
    assert objective.masked_model.model is model


def test_lambda_by_step() -> None:
    """0 at first, which is TLM and leaves the cross-lingual part out; then as with a constant."""
    model, batch = bert(), random_batch(3)
    weam = build_objective(model, settings("weam", **{"lambda": [(5, 0.0), (15, 2.0)]}, normalize=True))
    tlm, _ = build_objective(model, settings("tlm"))(batch)
    loss, parts = weam(batch, step=5)
    assert torch.equal(loss, tlm)
    assert math.isnan(parts[1])
    for step, weight in ((10, 1.0), (15, 2.0), (99, 2.0)):
        constant = build_objective(model, settings("weam", **{"lambda": weight}, normalize=True))
        for found, expected in zip(weam(batch, step=step), constant(batch), strict=True):
            assert torch.equal(found, expected)


def test_losses_are_means_over_the_global_batch() -> None:
    """Twice the totals, half the loss: the rest is in other micro-batches."""
    batch = random_batch(4)
    double = replace(batch, totals={name: 2 * total for name, total in batch.totals.items()})
    for name in ("mlm", "tlm", "weam", "word_aligned"):
        objective = build_objective(bert(), settings(name))
        torch.testing.assert_close(objective(double)[0] * 2, objective(batch)[0])
