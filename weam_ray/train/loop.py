"""The training loop: steps, records, checkpoints. No Ray and no DeepSpeed in it."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from weam_ray.batches.batch import MicroBatches
from weam_ray.errors import UserError
from weam_ray.objectives.base import TensorBatch
from weam_ray.settings.config import Config
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


def train(
    engine: Engine,
    config: Config,
    steps: Iterable[MicroBatches],
    first_step: int,
    record: Callable[[StepRecord], None],
    checkpoint: Callable[[int], None],
    stop: Callable[[], bool] = lambda: False,
    also: frozenset[int] = frozenset(),
) -> int:
    """Train from `first_step` (from 0) to `training.max_steps`; `steps` yields this worker's micro-batches of each.

    `checkpoint` is called with the number of steps done, every `checkpoint_steps`, after the steps `also`, and at the
    end. When `stop` says so
    to any worker, all end after the step, with a checkpoint.

    Returns:
        the number of steps done.

    Raises:
        UserError: a loss that is not finite; the weights are those of the step before.
    """
    settings = config.training
    started = time.perf_counter()
    for step, micro_batches in enumerate(steps, start=first_step + 1):
        waited = time.perf_counter() - started
        totals, sizes = global_counts(engine, micro_batches, stop())
        sums = torch.zeros(1 + len(engine.parts), dtype=torch.float64)
        for number, batches in micro_batches:
            seed_dropout(config.seeds.model, step, number)
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
        rate = learning_rate(config.optimizer, step, settings.max_steps)
        norm = engine.step(rate)
        now = time.perf_counter()
        record(
            StepRecord(
                step=step,
                loss=sums[0].item(),
                parts={
                    name: value
                    for name, value in zip(engine.parts, sums[1:].tolist(), strict=True)
                    if not math.isnan(value)
                },
                learning_rate=rate,
                gradient_norm=norm,
                tokens=sizes["tokens"],
                masked=int(sum(own["masked"] for own in totals)),
                aligned=int(sum(own["aligned"] for own in totals)),
                seconds=now - started,
                waited=waited,
                padding_share=1 - sizes["tokens"] / sizes["positions"],
                lost_tokens=sizes["lost_tokens"],
                lost_links=sizes["lost_links"],
            )
        )
        started = now
        if step % settings.checkpoint_steps == 0 or step in also or step == settings.max_steps or sizes["stop"]:
            checkpoint(step)
            started = time.perf_counter()
        if sizes["stop"]:
            return step
    return settings.max_steps


def global_counts(
    engine: Engine, micro_batches: MicroBatches, stop: bool
) -> tuple[list[dict[str, float]], dict[str, int]]:
    """Over all workers: the `Batch.counts` for each member of the objective, and the sizes of all batches together.

    `stop` among the sizes is the number of workers that are to end.
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
        "stop": int(stop),
    }
    own = [float(sum(count[name] for count in of_member)) for of_member in counts for name in names]
    summed = engine.sum(torch.tensor([*own, *map(float, sizes.values())], dtype=torch.float64)).tolist()
    totals = [dict(zip(names, summed[k * len(names) : (k + 1) * len(names)], strict=True)) for k in range(len(members))]
    return totals, dict(zip(sizes, map(int, summed[len(own) :]), strict=True))


def seed_dropout(seed: int, step: int, micro_batch: int) -> None:
    """Seed torch for one forward pass, whatever worker makes it."""
    digest = hashlib.blake2b(f"{seed} {step} {micro_batch}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest) >> 1)
