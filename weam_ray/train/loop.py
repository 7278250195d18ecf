"""The training loop: steps, records, checkpoints. No Ray and no DeepSpeed in it."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from weam_ray.config import Config
from weam_ray.encode.collate import Batch
from weam_ray.errors import UserError
from weam_ray.objectives.base import TensorBatch
from weam_ray.train.schedule import learning_rate


class Engine(Protocol):
    """What the loop needs of the optimizer and of the other workers."""

    parts: tuple[str, ...]
    device: torch.device

    def forward(self, batch: TensorBatch, denominator: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The objective's loss and sums of one micro-batch."""
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

    Losses are means over the masked positions of the global batch, in nats; `tokens` are those of the global batch
    but for padding; `waited` are the seconds that the step waited for data.
    """

    step: int
    loss: float
    parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    tokens: int
    masked: int
    seconds: float
    waited: float
    padding_share: float
    lost_tokens: int
    lost_links: int


def train(
    engine: Engine,
    config: Config,
    steps: Iterable[list[tuple[int, Batch]]],
    first_step: int,
    record: Callable[[StepRecord], None],
    checkpoint: Callable[[int], None],
) -> None:
    """Train from `first_step` (from 0) to `training.max_steps`; `steps` yields this worker's micro-batches of each.

    `checkpoint` is called with the number of steps done, every `checkpoint_steps` and at the end.

    Raises:
        UserError: a loss that is not finite; the weights are those of the step before.
    """
    settings = config.training
    started = time.perf_counter()
    for step, micro_batches in enumerate(steps, start=first_step + 1):
        waited = time.perf_counter() - started
        counts = engine.sum(torch.tensor([float(count) for count in totals(micro_batches)], dtype=torch.float64))
        masked = max(1.0, counts[0].item())
        denominator = torch.tensor(masked, device=engine.device)
        sums = torch.zeros(1 + len(engine.parts), dtype=torch.float64)
        for number, batch in micro_batches:
            seed_dropout(config.seeds.model, step, number)
            loss, parts = engine.forward(TensorBatch.of(batch, engine.device), denominator)
            engine.backward(loss)
            sums[0] += loss.detach().double().cpu()
            sums[1:] += parts.double().cpu() / masked
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
                parts=dict(zip(engine.parts, sums[1:].tolist(), strict=True)),
                learning_rate=rate,
                gradient_norm=norm,
                tokens=int(counts[1]),
                masked=int(counts[0]),
                seconds=now - started,
                waited=waited,
                padding_share=1 - counts[1].item() / counts[2].item(),
                lost_tokens=int(counts[3]),
                lost_links=int(counts[4]),
            )
        )
        started = now
        if step % settings.checkpoint_steps == 0 or step == settings.max_steps:
            checkpoint(step)
            started = time.perf_counter()


def totals(micro_batches: list[tuple[int, Batch]]) -> tuple[int, int, int, int, int]:
    """Masked positions, tokens, positions, and what truncation took, over the micro-batches of a worker."""
    batches = [batch for _, batch in micro_batches]
    return (
        sum(len(batch.masked) for batch in batches),
        sum(batch.num_tokens for batch in batches),
        sum(batch.input_ids.size for batch in batches),
        sum(batch.lost_tokens for batch in batches),
        sum(batch.lost_links for batch in batches),
    )


def seed_dropout(seed: int, step: int, micro_batch: int) -> None:
    """Seed torch for one forward pass, whatever worker makes it."""
    digest = hashlib.blake2b(f"{seed} {step} {micro_batch}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest) >> 1)
