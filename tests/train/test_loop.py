"""The loop with the bare engine: records, schedule, resuming, and losses that are no numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from weam_ray.batches.forms import collators
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.errors import UserError
from weam_ray.model.encoder import build_encoder
from weam_ray.objectives import head
from weam_ray.objectives.base import MaskedModel, added_mask
from weam_ray.objectives.table import build_objective
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.training import OptimizerSection
from weam_ray.train.budget import Budget
from weam_ray.train.engines.bare import BareEngine
from weam_ray.train.loop import Callback, Request, seed_dropout, train
from weam_ray.train.record import StepRecord
from weam_ray.train.schedule import learning_rate

Steps = list[list[tuple[int, Any]]]


def small_config(*overrides: str) -> Config:
    scratch = "encoder.scratch={num_layers: 1, hidden_size: 16, num_heads: 2, intermediate_size: 32, max_positions: 64}"
    plain = ["training.max_steps=6", "training.batch_size=8", "training.checkpoint_steps=4", "encoder.dropout=0.1"]
    return load_config("bundled", [scratch, *plain, *overrides])


def rows(tokenizer: Any, count: int) -> list[EncodedRow]:
    generator = np.random.default_rng(7)
    made = []
    for _ in range(count):
        sizes = generator.integers(3, 12, 2)
        ids = [generator.integers(5, len(tokenizer), size).astype(np.int32) for size in sizes]
        links = np.stack([np.arange(min(sizes))] * 2, axis=1).astype(np.int16)
        words = [np.arange(size).astype(np.int16) for size in sizes]
        made.append(EncodedRow(*ids, *words, links))
    return made


@pytest.fixture
def steps(wordpiece: Any) -> Callable[[Config], Steps]:
    """All micro-batches of a run, as one worker gets them."""

    def make(config: Config) -> Steps:
        training = config.training
        collate = collators(config, wordpiece)
        pool = rows(wordpiece, training.batch_size)
        size = training.micro_batch_size
        result = []
        for step in range(training.max_steps):
            keyed = [(RowKey(step, number), row) for number, row in enumerate(pool)]
            cuts = [keyed[k * size : (k + 1) * size] for k in range(len(pool) // size)]
            result.append([(k, tuple(own(cut, step + 1) for own in collate)) for k, cut in enumerate(cuts)])
        return result

    return make


class Notes(Callback):
    """Takes down what the loop tells, and asks for an end before a step."""

    def __init__(self, ask: Request = Request.GO_ON, before: int = 0) -> None:
        self.records: list[StepRecord] = []
        self.pauses: list[int] = []
        self.ask, self.before = ask, before

    def request(self) -> Request:
        return self.ask if len(self.records) + 1 >= self.before else Request.GO_ON

    def after_step(self, record: StepRecord) -> None:
        self.records.append(record)

    def at_pause(self, step: int) -> None:
        self.pauses.append(step)


def engine_of(config: Config, tokenizer: Any, precision: str = "fp32") -> BareEngine:
    model = build_encoder(config.encoder, tokenizer, config.seeds.model)
    return BareEngine(build_objective(model, config.objective), config.optimizer, precision=precision)


def run(config: Config, engine: BareEngine, steps: Steps, first: int = 0) -> tuple[list[StepRecord], list[int]]:
    notes = Notes()
    train(engine, config, steps[first:], first, [notes])
    return notes.records, notes.pauses


def test_records_and_checkpoints(wordpiece: Any, steps: Callable[[Config], Steps]) -> None:
    config = small_config()
    batches = steps(config)
    records, checkpoints = run(config, engine_of(config, wordpiece), batches)
    assert [record.step for record in records] == [1, 2, 3, 4, 5, 6]
    assert checkpoints == [4, 6]
    for record, ((_, (batch,)),) in zip(records, batches, strict=True):
        assert record.masked == len(batch.masked)
        assert record.tokens == batch.attention_mask.sum()
        assert record.padding_share == pytest.approx(1 - batch.attention_mask.mean())
        assert record.loss == pytest.approx(
            record.parts["multilingual_loss"] + record.parts["cross_lingual_loss"], rel=1e-6
        )
        assert record.learning_rate == learning_rate(config.optimizer, record.step, 6)
        assert record.gradient_norm > 0


def test_a_wish_to_stop_pauses_first_and_one_to_abandon_does_not(
    wordpiece: Any, steps: Callable[[Config], Steps]
) -> None:
    config = small_config()
    batches = steps(config)
    for asked, pauses in ((Request.STOP, [2]), (Request.ABANDON, [])):
        stopping, other = Notes(asked, before=2), Notes()
        assert train(engine_of(config, wordpiece), config, batches, 0, [other, stopping]) == 2
        assert (len(other.records), other.pauses, stopping.pauses) == (2, pauses, pauses)
    both = [Notes(Request.STOP, before=3), Notes(Request.ABANDON, before=3)]
    assert train(engine_of(config, wordpiece), config, batches, 0, both, milestones=[1]) == 3
    assert both[0].pauses == [1]


def test_loss_is_the_mean_over_the_masked_positions_of_the_global_batch(
    wordpiece: Any, steps: Callable[[Config], Steps]
) -> None:
    """However it is cut into micro-batches of unequal numbers of masks, a step is the same."""
    records = {}
    for size in (8, 4, 2, 1):
        config = small_config(f"training.micro_batch_size={size}", "encoder.dropout=0.0")
        records[size] = run(config, engine_of(config, wordpiece), steps(config))[0]
    for size in (4, 2, 1):
        for whole, cut in zip(records[8], records[size], strict=True):
            assert cut.loss == pytest.approx(whole.loss, rel=1e-5)
            assert cut.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-4)


def test_longer_batches_and_a_head_in_chunks_change_no_step(
    wordpiece: Any, steps: Callable[[Config], Steps], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done on a GPU, here on a CPU; the weights have the names and shapes that they had."""
    plain = small_config("encoder.dropout=0.0")
    engine = engine_of(plain, wordpiece)
    expected = run(plain, engine, steps(plain))[0]
    monkeypatch.setattr(head, "PLAIN_LOGITS", 0)
    config = small_config("encoder.dropout=0.0", "training.length_multiple=16")
    other = engine_of(config, wordpiece)
    batches = steps(config)
    assert {batch.input_ids.shape[1] % 16 for ((_, (batch,)),) in batches} == {0}
    for record, own in zip(run(config, other, batches)[0], expected, strict=True):
        assert record.loss == pytest.approx(own.loss, rel=1e-5)
        assert record.parts == pytest.approx(own.parts, rel=1e-5)
        assert record.gradient_norm == pytest.approx(own.gradient_norm, rel=1e-4)
        assert (record.tokens, record.masked) == (own.tokens, own.masked)
    weights = other.objective.state_dict()
    for name, value in engine.objective.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-5)


def test_bf16_is_in_the_products_and_not_in_the_weights(wordpiece: Any, steps: Callable[[Config], Steps]) -> None:
    config = small_config("encoder.dropout=0.0")
    batches = steps(config)
    expected = run(config, engine_of(config, wordpiece), batches)[0]
    engine = engine_of(config, wordpiece, "bf16")
    found = run(config, engine, batches)[0]
    assert [record.loss for record in found] == pytest.approx([record.loss for record in expected], rel=1e-2)
    assert found[0].loss != expected[0].loss
    assert {parameter.dtype for parameter in engine.objective.parameters()} == {torch.float32}


class Reads(TorchDispatchMode):
    """Counts what a GPU would have to be waited for."""

    READS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.READS:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("objective", ["weam", "tlm", "mlm", "word_aligned"])
def test_the_device_is_read_once_in_a_step(
    wordpiece: Any, steps: Callable[[Config], Steps], monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    config = small_config(f"objective={objective}", "training.micro_batch_size=4")
    engine, batches = engine_of(config, wordpiece), steps(config)
    monkeypatch.setattr(head, "PLAIN_LOGITS", 0)
    # the mask as it is made on a GPU
    monkeypatch.setattr(MaskedModel, "mask", lambda model, numbers, padded: added_mask(numbers, torch.float32))
    lists: list[int] = []
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: lists.append(1) or tensor.numpy().tolist())
    with Reads() as reads:
        run(config, engine, batches)
    assert reads.found == []
    assert len(lists) == config.training.max_steps


def test_resumed_equals_uninterrupted(wordpiece: Any, steps: Callable[[Config], Steps]) -> None:
    config = small_config()
    batches = steps(config)
    whole = engine_of(config, wordpiece)
    expected = run(config, whole, batches)[0]
    first = engine_of(config, wordpiece)
    train(first, config, batches[:3], 0)
    second = engine_of(config, wordpiece)
    second.objective.load_state_dict(first.objective.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    torch.manual_seed(12345)
    resumed = run(config, second, batches, first=3)[0]
    assert [(r.step, r.loss, r.gradient_norm) for r in resumed] == [
        (r.step, r.loss, r.gradient_norm) for r in expected[3:]
    ]


def test_a_loss_that_is_no_number_stops_before_the_step(wordpiece: Any, steps: Callable[[Config], Steps]) -> None:
    config = small_config()
    engine = engine_of(config, wordpiece)
    batches = steps(config)
    train(engine, config, batches[:2], 0)
    with torch.no_grad():
        engine.objective.masked_model.model.cls.predictions.bias[0] = float("nan")
    before = [parameter.clone() for parameter in engine.objective.parameters()]
    with pytest.raises(UserError, match=r"Step 3: the loss is nan"):
        run(config, engine, batches, first=2)
    for old, new in zip(before, engine.objective.parameters(), strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0, equal_nan=True)


def test_dropout_depends_on_seed_step_and_micro_batch() -> None:
    def draw(*key: int) -> float:
        seed_dropout(*key)
        return torch.rand(()).item()

    values = {(seed, step, number): draw(seed, step, number) for seed in (1, 2) for step in (1, 2) for number in (0, 1)}
    assert len(set(values.values())) == 8
    assert all(draw(*key) == value for key, value in values.items())


def test_learning_rate_warms_up_and_decays_to_zero() -> None:
    settings = OptimizerSection(learning_rate=1.0, warmup_share=0.2)
    rates = [learning_rate(settings, step, 10) for step in range(1, 11)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    constant = OptimizerSection(learning_rate=1.0, warmup_share=0.0, schedule="constant")
    assert {learning_rate(constant, step, 10) for step in range(1, 11)} == {1.0}


@pytest.mark.parametrize("limit", ["max_tokens", "max_predictions"])
def test_a_training_ends_with_its_budget_and_goes_on_to_the_same_end(
    wordpiece: Any, steps: Callable[[Config], Steps], limit: str
) -> None:
    """At the first step at which the limit is reached; the learning rate has come to its end by then."""
    batches = steps(small_config())
    whole, _ = run(small_config(), engine_of(small_config(), wordpiece), batches)
    used = [record.tokens if limit == "max_tokens" else record.masked for record in whole]
    config = small_config(f"training.{limit}={sum(used[:3]) - 1}", "training.max_steps=600")
    at_once, parts = Notes(), [Notes(Request.STOP, before=2), Notes()]
    train(engine_of(config, wordpiece), config, batches, 0, [at_once])
    engine, budget = engine_of(config, wordpiece), Budget(config.training)
    assert train(engine, config, batches, 0, [parts[0]], (), budget) == 2
    assert not budget.is_spent(2)
    assert train(engine, config, batches[2:], 2, [parts[1]], (), budget) == 3
    assert budget.is_spent(3)
    assert parts[1].pauses == at_once.pauses == [3]
    found, expected = (
        [(record.step, record.loss, record.learning_rate) for record in records]
        for records in ([*parts[0].records, *parts[1].records], at_once.records)
    )
    assert found == expected
    assert expected[-1][2] == learning_rate(config.optimizer, 600, 600) < expected[1][2]


def test_seconds_end_a_training(wordpiece: Any, steps: Callable[[Config], Steps]) -> None:
    config = small_config("training.max_seconds=1e-6")
    records, pauses = run(config, engine_of(config, wordpiece), steps(config))
    assert (len(records), pauses) == (1, [1])


@pytest.mark.parametrize(("objective", "exchanges"), [("weam", True), ("tlm", False)])
def test_head_rows_are_those_that_tokens_are_predicted_from(
    wordpiece: Any, steps: Callable[[Config], Steps], objective: str, exchanges: bool
) -> None:
    config = small_config(f"objective={objective}")
    batches = steps(config)
    records, _ = run(config, engine_of(config, wordpiece), batches)
    for record, ((_, (batch,)),) in zip(records, batches, strict=True):
        moved = (batch.exchange != np.arange(batch.input_ids.shape[1])).ravel()[batch.masked].sum()
        assert batch.num_exchanged == moved
        assert record.head_rows == record.masked + (moved if exchanges else 0)
        assert not exchanges or moved


@pytest.mark.parametrize(
    "mixture", ["{mlm: 0.5, weam: 1.0}", "{tlm: 0.5, weam: 1.0}", "{mlm: 1.0, tlm: 1.0, weam: 1.0, word_aligned: 1.0}"]
)
def test_head_rows_of_a_mixture_are_those_of_every_pass(
    wordpiece: Any, steps: Callable[[Config], Steps], monkeypatch: pytest.MonkeyPatch, mixture: str
) -> None:
    """TLM's batches have partners too, from whose states it predicts nothing."""
    computed: list[int] = []
    losses = MaskedModel.losses

    def counting(model: MaskedModel, batch: Any, positions: Any, labels: torch.Tensor) -> torch.Tensor:
        computed.append(len(labels))
        return losses(model, batch, positions, labels)

    monkeypatch.setattr(MaskedModel, "losses", counting)
    config = small_config("objective.name=mixture", f"objective.mixture={mixture}", "training.max_steps=2")
    records, _ = run(config, engine_of(config, wordpiece), steps(config))
    assert sum(record.head_rows for record in records) == sum(computed)
    assert sum(record.masked for record in records) < sum(computed)
