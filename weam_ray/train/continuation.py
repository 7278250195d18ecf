"""Going on from another run's checkpoint, with other workers or other settings: `training.continue_from`.

The checkpoint and the log up to it are taken over into the new run's folder, which then needs the other no more.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.settings.config import Config
from weam_ray.train import checkpoint
from weam_ray.train.checkpoint import STATE, STORAGE, CheckpointState
from weam_ray.train.log import LOSSES, TIMINGS, cut


@dataclass(frozen=True)
class Continuation:
    """The checkpoint of another run that a new run starts from."""

    run: Path
    folder: Path
    state: CheckpointState

    @classmethod
    def of(cls, config: Config, folder: Path) -> "Continuation | None":
        """What the run in a folder is to go on from; None where nothing is named, or it has a checkpoint of its own.

        Raises:
            UserError: there is no whole checkpoint, it has no step left to go, or its optimizer state cannot follow.
        """
        settings = config.training
        if settings.continue_from is None or checkpoint.latest(folder / STORAGE)[0] is not None:
            return None
        run = Path(settings.continue_from)
        found, notes = checkpoint.latest(run / STORAGE)
        missing = [name for name in (LOSSES, TIMINGS) if not (run / name).is_file()]
        if found is None or missing:
            reason = " ".join(notes) or f"there is no run with checkpoints and {LOSSES} in {run}."
            raise UserError(f"training.continue_from={settings.continue_from}: {reason}")
        state = checkpoint.read_state(found)
        if state.step >= settings.max_steps:
            raise UserError(
                f"training.continue_from={settings.continue_from}: its checkpoint is of step {state.step}, and "
                f"training.max_steps={settings.max_steps} leaves nothing to do; raise training.max_steps."
            )
        if not settings.weights_only:
            state.check(config)
        return cls(run, found, state)

    def take_over(self, folder: Path) -> None:
        """Bring the checkpoint and the log of its steps into a run's folder; files are linked where that can be."""
        for name in (LOSSES, TIMINGS):
            shutil.copyfile(self.run / name, folder / f".{name}.origin")
            cut(folder / f".{name}.origin", self.state.step)
            os.replace(folder / f".{name}.origin", folder / name)
        copy = folder / STORAGE / f"{checkpoint.PREFIX}{self.state.step:08d}-origin"
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
