"""The objectives against the paper's figure, hand computations, and one another."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from weam_ray.model.families import states_of
from weam_ray.objectives.base import MaskedModel, TensorBatch
from weam_ray.objectives.table import OBJECTIVES, build_objective
from weam_ray.settings.objective import ObjectiveSection

VOCABULARY = 30
SIZES = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}


def settings(name: str = "weam", **values: Any) -> ObjectiveSection:
    return ObjectiveSection(name=name, **values)


def bert(dropout: float = 0.0, seed: int = 0, dtype: torch.dtype = torch.float32) -> BertForMaskedLM:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, **SIZES
    )
    return BertForMaskedLM(config).to(dtype)


def random_batch(seed: int, rows: int = 3, length: int = 12, linked: bool = True) -> TensorBatch:
    """Rows of two sentences of half the length, random one-to-one links across them, random masks."""
    generator = np.random.default_rng(seed)
    half = length // 2
    exchange = np.tile(np.arange(length), (rows, 1))
    for row in exchange if linked else []:
        size = generator.integers(1, half)
        left = generator.permutation(half)[:size]
        right = half + generator.permutation(half)[:size]
        row[left], row[right] = right, left
    masked = np.sort(generator.permutation(rows * length)[: rows * length // 3])
    flat = (exchange + np.arange(rows)[:, None] * length).ravel()
    ids = generator.integers(5, VOCABULARY, (rows, length))
    moves = flat[masked] != masked
    return TensorBatch(
        torch.tensor(ids),
        torch.ones(rows, length, dtype=torch.long),
        torch.tensor(np.repeat([[0] * half + [1] * half], rows, axis=0)),
        torch.tensor(flat),
        torch.tensor(masked),
        torch.tensor(generator.integers(5, VOCABULARY, len(masked))),
        torch.tensor([[0, length + 1], [2, length + 3]]),
        torch.arange(length),
        torch.tensor(np.flatnonzero(moves)),
        torch.tensor(np.flatnonzero(~moves)),
        {"masked": torch.tensor(12.0), "aligned": torch.tensor(2.0), "anchors": torch.tensor(float(length))},
    )


def gradients(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


class RecordingModel(torch.nn.Module):
    """A model of BERT's form whose state at position p is one-hot p, and whose head keeps the rows it is given."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="bert", type_vocab_size=2, _attn_implementation="eager")
        self.states = torch.eye(length)[None]
        self.calls: list[list[int]] = []
        decoder = SimpleNamespace(weight=torch.eye(length), bias=None)
        self.cls = SimpleNamespace(predictions=SimpleNamespace(transform=self.transform, decoder=decoder))
        self.bert = type("Encoder", (), {"forward": self.encode, "__call__": lambda _, **k: self.encode(**k)})()

    def encode(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.states)

    def transform(self, states: torch.Tensor) -> torch.Tensor:
        self.calls.append(states.argmax(dim=1).tolist())
        return states


def figure_batch() -> TensorBatch:
    """The paper's Figure 1; positions counted from 0 here, so each is one less than in the figure."""
    length = 13
    exchange = torch.arange(length)
    for left, right in ((4, 7), (3, 8), (5, 10)):  # today-今天, raining-下雨, ?-?
        exchange[left], exchange[right] = right, left
    row = torch.zeros(1, length, dtype=torch.long)
    empty, totals = torch.zeros(0, dtype=torch.long), {"masked": torch.tensor(3.0)}
    masked, labels = torch.tensor([1, 3, 7]), torch.tensor([0, 1, 2])
    moved, unmoved = torch.tensor([1, 2]), torch.tensor([0])
    return TensorBatch(row, row + 1, row, exchange, masked, labels, empty.reshape(0, 2), empty, moved, unmoved, totals)


def test_worked_example_of_the_figure() -> None:
    """R2 -> Is, R4 -> raining, R8 -> 今天; after the exchange R2 -> Is, R9 -> raining, R5 -> 今天."""
    model = RecordingModel(13)
    total, parts = build_objective(model, settings())(figure_batch())
    assert model.calls == [[1, 3, 7, 8, 4]]  # one call of the head: the masked positions, then partners that differ
    own = cross_entropy(torch.eye(13)[[1, 3, 7]], torch.tensor([0, 1, 2]), reduction="sum")
    exchanged = cross_entropy(torch.eye(13)[[1, 8, 4]], torch.tensor([0, 1, 2]), reduction="sum")
    torch.testing.assert_close(parts, torch.stack([own, exchanged]) / 3)
    torch.testing.assert_close(total, (own + exchanged) / 3)


def test_tlm_predicts_each_token_from_its_own_state() -> None:
    model = RecordingModel(13)
    total, parts = build_objective(model, settings("tlm"))(figure_batch())
    assert model.calls == [[1, 3, 7]]
    torch.testing.assert_close(total, cross_entropy(torch.eye(13)[[1, 3, 7]], torch.tensor([0, 1, 2])))
    assert parts.shape == (1,)


def test_lambda_zero_is_tlm_bit_for_bit_over_20_steps() -> None:
    weights = []
    for section in (settings("tlm"), settings("weam", **{"lambda": 0.0})):
        objective = build_objective(bert(dropout=0.1), section).train()
        optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-2)
        losses = []
        for step in range(20):
            torch.manual_seed(step)
            loss, _ = objective(random_batch(step))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        weights.append((losses, torch.cat([p.detach().flatten() for p in objective.parameters()])))
    assert weights[0][0] == weights[1][0]
    assert torch.equal(weights[0][1], weights[1][1])
    assert weights[0][0][-1] != weights[0][0][0]


@pytest.mark.parametrize("weight", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(4))
def test_gradient_is_that_of_tlm_plus_lambda_times_that_of_cross_lingual_prediction(weight: float, seed: int) -> None:
    batch = random_batch(seed)
    model = bert(dtype=torch.float64)
    loss, _ = build_objective(model, settings("weam", **{"lambda": weight}))(batch)
    loss.backward()
    found = gradients(model)
    model.zero_grad()
    build_objective(model, settings("tlm"))(batch)[0].backward()
    expected = gradients(model)
    model.zero_grad()

    # L_cp written apart: exchange the states of every row, then predict every masked token at its place
    states = model.bert(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
    ).last_hidden_state
    exchanged = torch.empty_like(states)
    length = states.shape[1]
    for row in range(states.shape[0]):
        for position in range(length):
            exchanged[row, position] = states[row, int(batch.exchange[row * length + position]) - row * length]
    logits = model.cls(exchanged).flatten(0, 1)[batch.masked]
    (cross_entropy(logits, batch.labels, reduction="sum") / 12).backward()
    torch.testing.assert_close(found, expected + weight * gradients(model), rtol=1e-6, atol=1e-12)


def test_both_partners_receive_gradient() -> None:
    """A masked word and its partner are both states that the loss reaches."""
    model = RecordingModel(13)
    model.states = model.states.clone().requires_grad_()
    build_objective(model, settings())(figure_batch())[0].backward()
    reached = model.states.grad[0].abs().sum(dim=1).nonzero().flatten().tolist()
    assert reached == [1, 3, 4, 7, 8]


def test_without_links_both_predictions_are_equal() -> None:
    model = bert()
    objective = build_objective(model, settings("weam", **{"lambda": 2.0}))
    batch = random_batch(1, linked=False)
    total, parts = objective(batch)
    torch.testing.assert_close(parts[0], parts[1])
    tlm, _ = build_objective(model, settings("tlm"))(batch)
    torch.testing.assert_close(total, 3 * tlm)


def test_normalize_divides_by_one_plus_lambda() -> None:
    model, batch = bert(), random_batch(2)
    plain, _ = build_objective(model, settings("weam", **{"lambda": 3.0}))(batch)
    scaled, _ = build_objective(model, settings("weam", **{"lambda": 3.0}, normalize=True))(batch)
    torch.testing.assert_close(scaled * 4, plain)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_batch_without_masks_has_loss_zero(name: str) -> None:
    batch = random_batch(0)
    empty = replace(
        batch,
        **{name: getattr(batch, name)[:0] for name in ("masked", "labels", "aligned", "anchors", "moved", "unmoved")},
        totals=dict.fromkeys(batch.totals, torch.tensor(1.0)),
    )
    loss, _ = build_objective(bert(), settings(name))(empty)
    loss.backward()
    assert loss.item() == 0


FAMILIES = {
    "bert": bert,
    "roberta": lambda: RobertaForMaskedLM(RobertaConfig(vocab_size=VOCABULARY, type_vocab_size=1, **SIZES)),
    "xlm-roberta": lambda: XLMRobertaForMaskedLM(XLMRobertaConfig(vocab_size=VOCABULARY, type_vocab_size=1, **SIZES)),
    "distilbert": lambda: DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=VOCABULARY, dim=16, n_heads=2, n_layers=2, hidden_dim=32)
    ),
    "electra": lambda: ElectraForMaskedLM(ElectraConfig(vocab_size=VOCABULARY, embedding_size=16, **SIZES)),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_rows_are_those_of_the_whole_model(family: str) -> None:
    """The head over chosen rows equals the model's own logits, of a family that is not in the table too."""
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    batch = random_batch(3)
    masked_model = MaskedModel(model)
    assert masked_model.takes_types == (family in ("bert", "electra"))
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    if masked_model.takes_types:
        inputs["token_type_ids"] = batch.token_type_ids
    expected = model(**inputs).logits.flatten(0, 1)[batch.masked]
    torch.testing.assert_close(masked_model.logits(batch, batch.masked), expected)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_states_of_one_layer_are_those_of_the_whole_model(family: str) -> None:
    """Though the layers above it are left out, and are there again afterwards."""
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    batch = random_batch(3)
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
    whole = model(**inputs).logits
    one_by_one = [states_of(model, [layer], **inputs)[0] for layer in (0, 1, 2, -1, -2)]
    expected = model(**inputs, output_hidden_states=True).hidden_states
    for layer, states in zip((0, 1, 2, -1, -2), one_by_one, strict=True):
        torch.testing.assert_close(states, expected[layer])
    for layer, states in zip((2, 0), states_of(model, (2, 0), **inputs), strict=True):
        torch.testing.assert_close(states, expected[layer])
    torch.testing.assert_close(model(**inputs).logits, whole)
