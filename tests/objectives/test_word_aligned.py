"""The distance between aligned words, by hand, and the encoder that stays as it was."""

import pytest
import torch

from tests.objectives.test_objectives import bert, random_batch, settings
from weam_ray.objectives.base import TensorBatch
from weam_ray.objectives.table import build_objective


def states_of(model: torch.nn.Module, batch: TensorBatch) -> torch.Tensor:
    return model.bert(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
    ).last_hidden_state.flatten(0, 1)


def moved(model: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in model.bert.encoder.parameters():
            parameter.mul_(1.3)
    return model


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_hand_case(weight: float) -> None:
    """Both terms written out: squared distances, means over two word pairs and over twelve anchors."""
    model, batch = bert(), random_batch(0)
    objective = build_objective(model, settings("word_aligned", anchor_weight=weight))
    before = states_of(model, batch).detach()
    states = states_of(moved(model), batch).detach()
    length = batch.input_ids.shape[1]
    alignment = sum(float(((states[i] - states[length + 1 + i]) ** 2).sum()) for i in (0, 2)) / 2
    anchor = sum(float(((states[k] - before[k]) ** 2).sum()) for k in range(length)) / length
    loss, parts = objective(batch)
    assert parts.tolist() == pytest.approx([alignment, anchor], rel=1e-5)
    assert loss.item() == pytest.approx(alignment + weight * anchor, rel=1e-5)
    assert anchor > 0


def test_at_the_start_nothing_has_moved() -> None:
    loss, (alignment, anchor) = build_objective(bert(), settings("word_aligned"))(random_batch(0))
    assert anchor == 0
    assert loss == alignment > 0


def test_anchors_in_the_middle_of_a_batch() -> None:
    """Only their rows go through the frozen encoder, and each state comes back to its place."""
    model, batch = bert(), random_batch(0)
    objective = build_objective(model, settings("word_aligned"))
    before = states_of(model, batch).detach()
    length = batch.input_ids.shape[1]
    anchors = torch.arange(length, 3 * length)
    batch = TensorBatch(**{**vars(batch), "anchors": anchors})
    torch.testing.assert_close(objective.anchor_states(batch), before[anchors])


def test_without_anchors_the_frozen_encoder_runs_all_the_same() -> None:
    """Under ZeRO 3 a worker that left it out would leave the others waiting for its part of the weights."""
    model, batch = bert(), random_batch(0)
    objective = build_objective(model, settings("word_aligned"))
    calls = []
    objective.initial.model.bert.register_forward_hook(lambda *_: calls.append(1))
    batch = TensorBatch(**{**vars(batch), "anchors": batch.anchors[:0]})
    assert objective.anchor_states(batch).shape == (0, model.config.hidden_size)
    assert calls == [1]
    loss, (_, anchor) = objective(batch)
    assert anchor == 0
    assert loss.isfinite()


def test_both_words_receive_gradient_and_the_initial_encoder_none() -> None:
    model, batch = bert(), random_batch(0)
    objective = build_objective(model, settings("word_aligned", anchor_weight=0.0))
    kept = {}

    def keep(module: torch.nn.Module, inputs: object, output: object) -> None:
        output.last_hidden_state.retain_grad()
        kept["states"] = output.last_hidden_state

    model.bert.register_forward_hook(keep)
    objective(batch)[0].backward()
    reached = kept["states"].grad.flatten(0, 1).abs().sum(dim=1).nonzero().flatten().tolist()
    length = batch.input_ids.shape[1]
    assert reached == [0, 2, length + 1, length + 3]
    assert all(parameter.grad is None for parameter in objective.initial.parameters())


def test_the_initial_encoder_has_no_dropout() -> None:
    objective = build_objective(bert(dropout=0.5), settings("word_aligned")).train()
    batch = random_batch(1)
    assert torch.equal(objective.anchor_states(batch), objective.anchor_states(batch))
    assert objective.masked_model.training


def test_training_brings_aligned_words_together() -> None:
    model, batch = bert(), random_batch(2)
    objective = build_objective(model, settings("word_aligned")).train()
    optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(30):
        loss, _ = objective(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
