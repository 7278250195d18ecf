"""Going on from another run's checkpoint, with other workers or other settings: `training.continue_from`."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.config import Config
from weam_ray.errors import UserError
from weam_ray.train import checkpoint
from weam_ray.train.checkpoint import STORAGE, CheckpointState
from weam_ray.train.log import LOSSES, TIMINGS


@dataclass(frozen=True)
class Continuation:
    """The checkpoint of another run that a new run starts from, with or without its optimizer state."""

    run: Path
    folder: Path
    state: CheckpointState
    weights_only: bool

    @classmethod
    def of(cls, config: Config) -> "Continuation | None":
        """What `training.continue_from` names; None without it.

        Raises:
            UserError: there is no whole checkpoint, it has no step left to go, or its optimizer state cannot follow.
        """
        settings = config.training
        if settings.continue_from is None:
            return None
        run = Path(settings.continue_from).expanduser().absolute()
        folder, notes = checkpoint.latest(run / STORAGE)
        if folder is None:
            reason = " ".join(notes) or f"there is no run with checkpoints in {run}."
            raise UserError(f"training.continue_from={settings.continue_from}: {reason}")
        state = checkpoint.read_state(folder)
        if state.step >= settings.max_steps:
            raise UserError(
                f"training.continue_from={settings.continue_from}: its checkpoint is of step {state.step}, and "
                f"training.max_steps={settings.max_steps} leaves nothing to do; raise training.max_steps."
            )
        if not settings.weights_only:
            state.check(config)
        return cls(run, folder, state, settings.weights_only)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result of a run depends on, wherever the folders are."""
        return {"run": self.state.fingerprint, "step": self.state.step, "weights_only": self.weights_only}

    def load_weights(self, objective: Any) -> None:
        """Put the weights into an objective, before its optimizer is made: those of all workers, merged.

        Raises:
            UserError: they are of another shape.
        """
        try:
            objective.load_state_dict(checkpoint.merged_weights(self.folder, self.state.zero_stage))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"training.continue_from={self.run}: the weights do not fit this run: {reason}") from None

    def copy_log(self, folder: Path) -> None:
        """Begin a run's log with that of the steps that are taken over; what came later is cut off on opening."""
        for name in (LOSSES, TIMINGS):
            shutil.copyfile(self.run / name, folder / name)
