"""The training loop: steps, records, checkpoints. No Ray and no DeepSpeed in it."""

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import torch

from weam_ray.batches.batch import MicroBatches
from weam_ray.errors import UserError
from weam_ray.objectives.base import TensorBatch
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.train.schedule import learning_rate


class Engine(Protocol):
    """What the loop needs of the optimizer and of the other workers."""

    parts: tuple[str, ...]
    device: torch.device

    def forward(self, batches: Sequence[TensorBatch], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The objective's loss and parts of one micro-batch, given in the form of each member of the objective."""
        ...

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a micro-batch."""
        ...

    def step(self, rate: float) -> float:
        """Clip, update the weights, zero the gradients; the norm of the gradient before clipping."""
        ...

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all workers."""
        ...


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step: what it was (equal on every repetition), and how long it took.

    Losses are means over the global batch, of predictions in nats; a part that a step does not compute is left out.
    `tokens` are those of the global batch but for padding, `masked` and `aligned` the masked tokens and the word
    pairs; `waited` are the seconds that the step waited for data.
    """

    step: int
    loss: float
    parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    tokens: int
    masked: int
    aligned: int
    seconds: float
    waited: float
    padding_share: float
    lost_tokens: int
    lost_links: int


class Request(IntEnum):
    """What one worker asks of all; the strongest wish counts."""

    GO_ON = 0
    STOP = 1  # after this step, with a checkpoint
    ABANDON = 2  # after this step, without one


class Callback:
    """Something that a training does beside its steps; every worker has the same list of them."""

    def request(self) -> Request:
        """Called before each step: whether this worker wants the training to end after it."""
        return Request.GO_ON

    def after_step(self, record: StepRecord) -> None:
        """Called after each step."""

    def at_pause(self, step: int) -> None:
        """Called by all workers together, after the steps at which a checkpoint is due, with the steps done so far."""


def train(
    engine: Engine,
    settings: TrainingSettings,
    steps: Iterable[MicroBatches],
    first_step: int,
    callbacks: Sequence[Callback] = (),
    milestones: Sequence[int] = (),
) -> int:
    """Train from `first_step` (from 0) to `training.max_steps`.

    The loop pauses every `training.checkpoint_steps`, after the steps `milestones`, at the end, and when a callback of
    any worker asks to stop.

    Args:
        steps: this worker's micro-batches of each step, from `first_step` on.

    Returns:
        the number of steps done.

    Raises:
        UserError: a loss that is not finite; the weights are those of the step before.
    """
    training = settings.training
    started = time.perf_counter()
    for step, micro_batches in enumerate(steps, start=first_step + 1):
        waited = time.perf_counter() - started
        totals, sizes = global_counts(engine, micro_batches, request_of(callbacks))
        sums = torch.zeros(1 + len(engine.parts), dtype=torch.float64)
        for number, batches in micro_batches:
            seed_dropout(settings.seeds.model, step, number)
            tensors = [TensorBatch.of(*entry, engine.device) for entry in zip(batches, totals, strict=True)]
            loss, parts = engine.forward(tensors, step)
            engine.backward(loss)
            sums[0] += loss.detach().double().cpu()
            sums[1:] += parts.double().cpu()
        sums = engine.sum(sums)
        if not math.isfinite(sums[0].item()):
            raise UserError(
                f"Step {step}: the loss is {sums[0].item()}, not a finite number; the run stops before the step. "
                "Lower optimizer.learning_rate, or raise optimizer.warmup_share."
            )
        rate = learning_rate(settings.optimizer, step, training.max_steps)
        norm = engine.step(rate)
        now = time.perf_counter()
        terms = zip(engine.parts, sums[1:].tolist(), strict=True)
        record = StepRecord(
            step=step,
            loss=sums[0].item(),
            parts={name: value for name, value in terms if not math.isnan(value)},
            learning_rate=rate,
            gradient_norm=norm,
            tokens=sizes["tokens"],
            masked=int(sum(total["masked"] for total in totals)),
            aligned=int(sum(total["aligned"] for total in totals)),
            seconds=now - started,
            waited=waited,
            padding_share=1 - sizes["tokens"] / sizes["positions"],
            lost_tokens=sizes["lost_tokens"],
            lost_links=sizes["lost_links"],
        )
        for callback in callbacks:
            callback.after_step(record)
        started = now
        if sizes["abandon"]:
            return step
        due = step % training.checkpoint_steps == 0 or step in milestones or step == training.max_steps
        if due or sizes["stop"]:
            for callback in callbacks:
                callback.at_pause(step)
            started = time.perf_counter()
        if sizes["stop"]:
            return step
    return training.max_steps


def request_of(callbacks: Sequence[Callback]) -> Request:
    """The strongest wish of this worker's callbacks."""
    return max((callback.request() for callback in callbacks), default=Request.GO_ON)


def global_counts(
    engine: Engine, micro_batches: MicroBatches, request: Request
) -> tuple[list[dict[str, float]], dict[str, int]]:
    """Over all workers: the `Batch.counts` for each member of the objective, and the sizes of all batches together.

    `stop` and `abandon` among the sizes are the numbers of workers that ask for it.
    """
    members = list(zip(*(batches for _, batches in micro_batches), strict=True))
    everything = [batch for batches in members for batch in batches]
    counts = [[batch.counts() for batch in batches] for batches in members]
    names = list(counts[0][0])
    sizes = {
        "tokens": sum(batch.num_tokens for batch in everything),
        "positions": sum(batch.input_ids.size for batch in everything),
        "lost_tokens": sum(batch.lost_tokens for batch in everything),
        "lost_links": sum(batch.lost_links for batch in everything),
        "stop": int(request == Request.STOP),
        "abandon": int(request == Request.ABANDON),
    }
    here = [float(sum(count[name] for count in of_member)) for of_member in counts for name in names]
    summed = engine.sum(torch.tensor([*here, *map(float, sizes.values())], dtype=torch.float64)).tolist()
    totals = [dict(zip(names, summed[k * len(names) : (k + 1) * len(names)], strict=True)) for k in range(len(members))]
    return totals, dict(zip(sizes, map(int, summed[len(here) :]), strict=True))


def seed_dropout(seed: int, step: int, micro_batch: int) -> None:
    """Seed torch for one forward pass, whatever worker makes it."""
    digest = hashlib.blake2b(f"{seed} {step} {micro_batch}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest) >> 1)
