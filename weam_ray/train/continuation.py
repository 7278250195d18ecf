"""Going on from another run's checkpoint, with other workers or other settings: `training.continue_from`.

The checkpoint and the log up to it are taken over into the new run's folder, which then needs the other no more.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.settings.training import TrainingSection
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train import checkpoint
from weam_ray.train.budget import Budget
from weam_ray.train.checkpoint import STATE, CheckpointState
from weam_ray.train.log import cut


@dataclass(frozen=True)
class Continuation:
    """The checkpoint of another run that a new run starts from."""

    run: TrainingFolder
    folder: Path
    state: CheckpointState

    @classmethod
    def of(cls, training: TrainingSection, folder: TrainingFolder) -> "Continuation | None":
        """What the run in a folder is to go on from; None where nothing is named, or it has a checkpoint of its own.

        Raises:
            UserError: there is no whole checkpoint, it has no step left to go, or its optimizer state cannot follow.
        """
        if training.continue_from is None or checkpoint.latest(folder.checkpoints)[0] is not None:
            return None
        run = TrainingFolder(Path(training.continue_from))
        found, notes = checkpoint.latest(run.checkpoints)
        if found is None or not (run.losses.is_file() and run.timings.is_file()):
            reason = " ".join(notes) or f"there is no run with checkpoints and {run.losses.name} in {run.path}."
            raise UserError(f"training.continue_from={training.continue_from}: {reason}")
        state = checkpoint.read_state(found)
        if Budget.of(training, run, state.step).is_spent(state.step):
            limits = ", ".join(f"training.{key}={value}" for key, value in training.limits.items())
            raise UserError(
                f"training.continue_from={training.continue_from}: its checkpoint is of step {state.step}, and "
                f"{limits} {'leaves' if len(training.limits) == 1 else 'leave'} nothing to do; raise "
                f"{' or '.join(f'training.{key}' for key in training.limits)}."
            )
        if not training.weights_only:
            state.check(training)
        return cls(run, found, state)

    def take_over(self, folder: TrainingFolder) -> None:
        """Bring the checkpoint and the log of its steps into a run's folder; files are linked where that can be."""
        for there, here in ((self.run.losses, folder.losses), (self.run.timings, folder.timings)):
            partial = here.with_name(f".{here.name}.origin")
            shutil.copyfile(there, partial)
            cut(partial, self.state.step)
            os.replace(partial, here)
        copy = checkpoint.folder_of(folder.checkpoints, self.state.step, "origin")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(
            self.folder, copy, copy_function=link, ignore=lambda _, names: [name for name in names if name == STATE]
        )
        (copy / STATE).write_text(json.dumps(vars(self.state), indent=1), encoding="utf-8")


def link(source: str, target: str) -> str:
    """A second name for a file; a copy where the storage has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target
