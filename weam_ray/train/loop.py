"""The training loop: steps, records, checkpoints. No Ray and no DeepSpeed in it."""

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

import torch

from weam_ray.batches.batch import Batch, MicroBatches
from weam_ray.errors import UserError
from weam_ray.objectives.base import TensorBatch, on_device
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.train.budget import Budget
from weam_ray.train.engines.device import RECORDING
from weam_ray.train.record import StepRecord
from weam_ray.train.schedule import learning_rate

CROSS_LINGUAL = "cross_lingual_loss"  # of the parts of a loss: what is predicted from exchanged states
SIZES = ("tokens", "positions", "exchanged", "lost_tokens", "lost_links", "stop", "abandon")


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

    def norm(self) -> torch.Tensor | None:
        """Clip the gradient; its norm before, () on the device. None where `step` does that."""
        ...

    def step(self, rate: float) -> float | None:
        """Update the weights, zero the gradients; the norm of the gradient where `norm` did not give it."""
        ...

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a tensor over all workers, on the device of this one."""
        ...


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
    budget: Budget | None = None,
) -> int:
    """Train from `first_step` (from 0) until the budget is spent: to `training.max_steps`, or to another limit.

    The loop pauses every `training.checkpoint_steps`, after the steps `milestones`, at the end, and when a callback of
    any worker asks to stop.

    Args:
        steps: this worker's micro-batches of each step, from `first_step` on.
        budget: what the steps before used; it is brought up to date.

    Returns:
        the number of steps done.

    Raises:
        UserError: a loss that is not finite; the weights are those of the step before.
    """
    training = settings.training
    budget = Budget(training) if budget is None else budget
    exchanging = [exchanges(engine.parts, name) for name in settings.objective.members]
    own_seconds = budget.seconds  # of the steps of this worker, without what is done between them
    started = time.perf_counter()
    for step, micro_batches in enumerate(steps, start=first_step + 1):
        waited = time.perf_counter() - started
        elapsed = own_seconds + time.perf_counter() - started
        counts = Counts.of(engine, micro_batches, exchanging, request_of(callbacks), elapsed)
        sums = torch.zeros(1 + len(engine.parts), dtype=torch.float64, device=engine.device)
        for number, batches in micro_batches:
            seed_dropout(settings.seeds.model, step, number)
            tensors = [
                tensors_of(batch, engine.device).having(totals)
                for batch, totals in zip(batches, counts.totals, strict=True)
            ]
            loss, parts = engine.forward(tensors, step)
            engine.backward(loss)
            sums += torch.cat([loss.detach()[None], parts]).double()
        clipped = engine.norm()
        norms = sums.new_zeros(0) if clipped is None else clipped.double()[None]
        # the one time in a step that the device is waited for
        found = torch.cat([engine.sum(sums), counts.summed, norms]).tolist()
        loss_of_step, own_parts = found[0], found[1 : len(sums)]
        masked, aligned, sizes, all_elapsed = counts.read(found[len(sums) : len(found) - len(norms)])
        if not math.isfinite(loss_of_step):
            raise UserError(
                f"Step {step}: the loss is {loss_of_step}, not a finite number; the run stops before the step. "
                "Lower optimizer.learning_rate, or raise optimizer.warmup_share."
            )
        budget.tokens += sizes["tokens"]
        budget.predictions += masked
        budget.seconds = all_elapsed / training.num_workers
        rate = learning_rate(settings.optimizer, budget.position(step), training.max_steps)
        late = engine.step(rate)
        now = time.perf_counter()
        own_seconds += now - started
        terms = {name: value for name, value in zip(engine.parts, own_parts, strict=True) if not math.isnan(value)}
        exchanged = sizes["exchanged"] if any(name.endswith(CROSS_LINGUAL) for name in terms) else 0
        record = StepRecord(
            step=step,
            loss=loss_of_step,
            parts=terms,
            learning_rate=rate,
            gradient_norm=found[-1] if late is None else late,
            tokens=sizes["tokens"],
            masked=masked,
            aligned=aligned,
            seconds=now - started,
            waited=waited,
            padding_share=1 - sizes["tokens"] / sizes["positions"],
            lost_tokens=sizes["lost_tokens"],
            lost_links=sizes["lost_links"],
            head_rows=masked + exchanged,
        )
        for callback in callbacks:
            callback.after_step(record)
        started = now
        if sizes["abandon"]:
            return step
        spent = budget.is_spent(step)
        due = step % training.checkpoint_steps == 0 or step in milestones or spent
        if due or sizes["stop"]:
            for callback in callbacks:
                callback.at_pause(step)
            started = time.perf_counter()
        if sizes["stop"] or spent:
            return step
    return training.max_steps


def request_of(callbacks: Sequence[Callback]) -> Request:
    """The strongest wish of this worker's callbacks."""
    return max((callback.request() for callback in callbacks), default=Request.GO_ON)


def exchanges(parts: Sequence[str], member: str) -> bool:
    """Whether a member of the objective predicts from exchanged states, by the `parts` of all."""
    return CROSS_LINGUAL in parts or f"{member}/{CROSS_LINGUAL}" in parts


@dataclass(frozen=True)
class Counts:
    """What the micro-batches of a step hold over all workers, on the device and not waited for.

    Attributes:
        names: of what a batch counts (`Batch.counts`).
        summed: (members * names + sizes,) those counts for each member of the objective, then the sizes of all batches.
        members: how many members the objective has.
    """

    names: tuple[str, ...]
    summed: torch.Tensor
    members: int

    @classmethod
    def of(
        cls,
        engine: Engine,
        micro_batches: MicroBatches,
        exchanging: Sequence[bool],
        request: Request,
        elapsed: float,
    ) -> "Counts":
        """The counts of a step, what this worker asks for, and the seconds that it has trained.

        Args:
            exchanging: for each member of the objective, whether it predicts from exchanged states.
        """
        members = list(zip(*(batches for _, batches in micro_batches), strict=True))
        everything = [batch for batches in members for batch in batches]
        counts = [[batch.counts() for batch in batches] for batches in members]
        names = tuple(counts[0][0])
        sizes = (
            sum(batch.num_tokens for batch in everything),
            sum(batch.input_ids.size for batch in everything),
            sum(
                batch.num_exchanged
                for own, batches in zip(exchanging, members, strict=True)
                if own
                for batch in batches
            ),
            sum(batch.lost_tokens for batch in everything),
            sum(batch.lost_links for batch in everything),
            int(request == Request.STOP),
            int(request == Request.ABANDON),
            elapsed,
        )
        own = [sum(count[name] for count in of_member) for of_member in counts for name in names]
        numbers = torch.tensor([*own, *sizes], dtype=torch.float64)
        return cls(names, engine.sum(on_device({"numbers": numbers}, engine.device)["numbers"]), len(members))

    @property
    def totals(self) -> list[dict[str, torch.Tensor]]:
        """The `totals` of a `TensorBatch`, for each member."""
        rows = self.summed[: self.members * len(self.names)].clamp(min=1).float().view(self.members, -1)
        return [dict(zip(self.names, row.unbind(), strict=True)) for row in rows]

    def read(self, values: Sequence[float]) -> tuple[int, int, dict[str, int], float]:
        """The masked tokens, the word pairs, the sizes and all workers' seconds, of what `summed` has on the CPU.

        `stop` and `abandon` among the sizes are the numbers of workers that ask for it.
        """
        width = len(self.names)
        rows = [dict(zip(self.names, values[k * width :], strict=False)) for k in range(self.members)]
        *counted, elapsed = values[self.members * width :]
        sizes = dict(zip(SIZES, map(int, counted), strict=True))
        return int(sum(row["masked"] for row in rows)), int(sum(row["aligned"] for row in rows)), sizes, elapsed


def tensors_of(batch: Batch, device: torch.device) -> TensorBatch:
    """A batch on the device: brought there ahead of time (`to_device`), or now."""
    return TensorBatch.of(batch, device) if batch.tensors is None else batch.tensors


def to_device(device: torch.device) -> Callable[[Batch], Batch]:
    """What is done with a batch ahead of its step, in a thread: it is brought to a device."""

    def bring(batch: Batch) -> Batch:
        with RECORDING:
            return replace(batch, tensors=TensorBatch.of(batch, device))

    return bring


def seed_dropout(seed: int, step: int, micro_batch: int) -> None:
    """Seed torch for one forward pass, whatever worker makes it."""
    digest = hashlib.blake2b(f"{seed} {step} {micro_batch}".encode(), digest_size=8).digest()
    torch.manual_seed(int.from_bytes(digest) >> 1)
