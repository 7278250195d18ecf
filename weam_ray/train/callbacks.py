"""What a training does beside its steps: one class for each concern, called by the loop in the order of a list."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from weam_ray.cluster.memory import KeptMemory
from weam_ray.errors import UserError
from weam_ray.store.files import write_whole
from weam_ray.train import checkpoint, phases
from weam_ray.train.engines.deepspeed import DeepSpeedEngine
from weam_ray.train.job import TrainingJob
from weam_ray.train.log import StepLog, cut, read_steps
from weam_ray.train.loop import Callback, Request
from weam_ray.train.metrics import step_done
from weam_ray.train.phases import Phase
from weam_ray.train.record import StepRecord


@dataclass(frozen=True)
class Phases:
    """Notes what the training begins; the first worker speaks for all."""

    job: TrainingJob
    first: bool

    def begin(self, phase: Phase) -> None:
        """Note that a phase begins, and the one before it ends."""
        if self.first:
            phases.begin(self.job.folder, phase)


@dataclass(frozen=True)
class Requests(Callback):
    """Looks for what the driver asks of the workers while they train."""

    job: TrainingJob

    def request(self) -> Request:
        """Whether to go on, to stop with a checkpoint, or to stop without one."""
        folder = self.job.folder
        if not folder.is_to_stop:
            return Request.GO_ON
        return Request.ABANDON if folder.is_abandoned else Request.STOP


@dataclass
class Memory(Callback):
    """Gives back memory that has grown, on every worker."""

    kept: KeptMemory = field(default_factory=KeptMemory)

    def after_step(self, record: StepRecord) -> None:
        """Look at it after some steps."""
        self.kept.after_step()


@dataclass
class Steps(Callback):
    """Logs each step on the first worker, for the driver, and counts it among Ray's metrics.

    A full disk is remembered, and asks for an end; the checkpoint that then comes due says so.
    """

    log: StepLog
    run: str
    failure: OSError | None = None

    def request(self) -> Request:
        """To stop, where the log cannot be written."""
        return Request.GO_ON if self.failure is None else Request.STOP

    def after_step(self, record: StepRecord) -> None:
        """Log a step, unless one before it could not be."""
        if self.failure is not None:
            return
        try:
            self.log.write(record)
            step_done(record, self.run)
        except OSError as error:
            self.failure = error

    def check(self) -> None:
        """See that the log has all steps.

        Raises:
            OSError: it has not, since the disk is full.
        """
        if self.failure is not None:
            raise self.failure


class HeldOutFigures(Callback):
    """Measures the weights after some steps, on the first worker: what a search compares and stops trials by.

    A line of `held_out.jsonl` has the `step`, the `value` that is compared, and the `figures` by their names in MLflow.
    """

    def __init__(
        self, job: TrainingJob, engine: Any, model_config: Any, tokenizer: Any, done: int, phases: Phases
    ) -> None:
        """Delete the lines of steps after `done`: they will come again."""
        self.job, self.engine, self.model_config, self.tokenizer = job, engine, model_config, tokenizer
        self.phases = phases
        self.model: Any = None
        if engine.rank == 0:
            cut(job.folder.held_out, done)

    def at_pause(self, step: int) -> None:
        """Add a line, if the step is a milestone; all workers call it together."""
        from weam_ray.measure.held_out import FIGURES, HeldOut
        from weam_ray.train.export import filled

        if step not in self.job.milestones.steps:
            return
        self.phases.begin(Phase.HELD_OUT)
        weights = self.engine.full_weights()
        if weights is None:
            return
        self.model = filled(weights, self.model_config, self.model).to(self.engine.device)
        held_out = HeldOut.of(self.job.data, self.job.milestones.part)
        milestones = self.job.milestones
        figures_of = FIGURES[milestones.metric] if milestones.figures is None else milestones.figures
        found = figures_of(held_out, self.model, self.tokenizer, self.job.settings)
        line = {"step": step, "value": found.value, "figures": found.figures}
        lines = [*read_steps(self.job.folder.held_out), line]
        write_whole(self.job.folder.held_out, "".join(json.dumps(line) + "\n" for line in lines))


@dataclass(frozen=True)
class Checkpoints(Callback):
    """Writes checkpoints, all workers together, straight to where they stay.

    Ray Train keeps none of them: its own record lags behind a kill, and it fails where a folder that it knows is gone.

    Args:
        attempt: a part of the names, so that none is used twice.
        steps: the log of this worker, if it has one: a checkpoint needs the lines of the steps before it.
    """

    job: TrainingJob
    engine: DeepSpeedEngine
    attempt: str
    num_parameters: int
    phases: Phases
    steps: Steps | None

    def at_pause(self, step: int) -> None:
        """Write a checkpoint, delete those that are not kept, and report the step to Ray Train.

        Raises:
            UserError: the disk is full; no part of this checkpoint is left.
        """
        import ray.train

        self.phases.begin(Phase.CHECKPOINTS)
        storage, training = self.job.folder.checkpoints, self.job.settings.training
        folder = checkpoint.folder_of(storage, step, self.attempt)
        self.together(folder, lambda: self.prepare(folder))
        self.together(folder, lambda: self.engine.save(folder))
        if torch.distributed.get_rank() == 0:
            self.together(folder, lambda: checkpoint.commit(folder, step, training, self.job.fingerprint))
            checkpoint.sweep(storage)
        else:
            self.together(folder, lambda: None)
        ray.train.report({"step": step})
        self.phases.begin(Phase.STEPS)

    def prepare(self, folder: Path) -> None:
        """See that the disk has room before any worker begins to write.

        Raises:
            OSError: it has not.
        """
        if self.steps is not None:
            self.steps.check()
        folder.mkdir(parents=True, exist_ok=True)
        if not checkpoint.has_room(folder, self.num_parameters):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    def together(self, folder: Path, work: Callable[[], Any]) -> None:
        """Do the work of every worker; when the disk is full for one of them, it ends for all.

        Raises:
            UserError: the disk is full.
        """
        storage, full = self.job.folder.checkpoints, False
        try:
            work()
        except (OSError, RuntimeError) as error:
            if not checkpoint.disk_is_full(error, storage):
                raise
            full = True
        if self.engine.sum(torch.tensor([float(full)])).item():
            if torch.distributed.get_rank() == 0:
                shutil.rmtree(folder, ignore_errors=True)
            raise UserError(checkpoint.full_disk(storage))
