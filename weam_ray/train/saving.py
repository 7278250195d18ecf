"""Writing checkpoints, all workers together, straight to where they stay.

Ray Train keeps none of them: its own record lags behind a kill, and it fails where a folder that it knows is gone.
"""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from weam_ray.errors import UserError
from weam_ray.settings.config import Config
from weam_ray.train import checkpoint, phases
from weam_ray.train.engines.deepspeed import DeepSpeedEngine


@dataclass(frozen=True)
class Saver:
    """Saves the state of an engine after a step.

    `attempt` is part of the names, so that none is used twice; `check` raises an OSError where this worker could not
    write what belongs to the steps before. `measure` comes first, so that a checkpoint has the figures of its step
    behind it. Where `abandoned` says so on any worker, nothing is written. `phase` notes what begins.
    """

    engine: DeepSpeedEngine
    storage: Path
    attempt: str
    config: Config
    fingerprint: str
    num_parameters: int
    check: Callable[[], None]
    measure: Callable[[int], None] = lambda step: None
    abandoned: Callable[[], bool] = lambda: False
    phase: Callable[[str], None] = lambda name: None

    def __call__(self, step: int) -> None:
        """Write a checkpoint, delete those that are not kept, and report the step.

        Raises:
            UserError: the disk is full; no part of this checkpoint is left.
        """
        import ray.train

        if self.engine.sum(torch.tensor([float(self.abandoned())])).item():
            return
        self.measure(step)
        self.phase(phases.CHECKPOINTS)
        folder = self.storage / f"{checkpoint.PREFIX}{step:08d}-{self.attempt}"
        self.together(folder, lambda: self.prepare(folder))
        self.together(folder, lambda: self.engine.save(folder))
        if torch.distributed.get_rank() == 0:
            self.together(folder, lambda: checkpoint.commit(folder, step, self.config, self.fingerprint))
            checkpoint.sweep(self.storage)
        else:
            self.together(folder, lambda: None)
        ray.train.report({"step": step})
        self.phase(phases.STEPS)

    def prepare(self, folder: Path) -> None:
        """Know of a full disk before anyone begins to write."""
        self.check()
        folder.mkdir(parents=True, exist_ok=True)
        if not checkpoint.has_room(folder, self.num_parameters):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    def together(self, folder: Path, work: Callable[[], Any]) -> None:
        """Work of every worker, which ends for all when the disk is full for one."""
        full = False
        try:
            work()
        except (OSError, RuntimeError) as error:
            if not checkpoint.disk_is_full(error, self.storage):
                raise
            full = True
        if self.engine.sum(torch.tensor([float(full)])).item():
            if torch.distributed.get_rank() == 0:
                shutil.rmtree(folder, ignore_errors=True)
            raise UserError(checkpoint.full_disk(self.storage))
