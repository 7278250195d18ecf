"""Checkpoints: where they are, whether they are whole, and what a person can read of them.

A checkpoint is a folder that all workers write into; `state.json` comes last and lists every file with its size, so a
folder that was cut short in any way is known, and the one before is used. Names are never used twice.
"""

import errno
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError, several
from weam_ray.settings.training import TrainingSection

STATE = "state.json"  # of a checkpoint; that of a run is another file
PREFIX = "checkpoint_"
KEPT = 2
TAG = "state"


@dataclass(frozen=True)
class CheckpointState:
    """Steps done, what made it, and the bytes of each of its files."""

    step: int
    num_workers: int
    zero_stage: int
    fingerprint: str
    files: dict[str, int]
    precision: str = "fp32"

    def check(self, training: TrainingSection) -> None:
        """See that the optimizer state can follow to the workers of other settings.

        At ZeRO stage 0 every worker holds all of it, so it follows to any number of them.

        Raises:
            UserError: it was made by another number of workers, at another ZeRO stage, or in another precision.
        """
        workers, stage = training.num_workers, training.zero_stage
        same = (self.num_workers, self.zero_stage, self.precision) == (workers, stage, training.precision)
        if not same and not self.zero_stage == stage == 0:
            raise UserError(
                f"The checkpoint of step {self.step} was made by {several(self.num_workers, 'worker')} at ZeRO "
                f"stage {self.zero_stage} in {self.precision}; its optimizer state cannot follow to "
                f"{several(workers, 'worker')} at stage {stage} in {training.precision}. "
                "training.weights_only=true leaves it behind: the run then goes on with the weights, the learning rate "
                "and the order of the data of that step, and with new moments of Adam."
            )


def sizes(folder: Path) -> dict[str, int]:
    """The files of a checkpoint, but for its state."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != STATE]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def folder_of(storage: Path, step: int, attempt: str) -> Path:
    """The folder of a new checkpoint; `attempt` is a name that no other start of the workers has."""
    return storage / f"{PREFIX}{step:08d}-{attempt}"


def commit(folder: Path, step: int, training: TrainingSection, fingerprint: str) -> None:
    """Declare a folder whole, when every worker has written its files."""
    state = CheckpointState(
        step, training.num_workers, training.zero_stage, fingerprint, sizes(folder), training.precision
    )
    (folder / STATE).write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, in a few words; None for a whole one."""
    try:
        state = CheckpointState(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return f"it has no {STATE}, so it was not finished"
    except (json.JSONDecodeError, TypeError):
        return f"its {STATE} is damaged"
    there = sizes(folder)
    for name, size in state.files.items():
        if there.get(name) != size:
            return f"{name} has {there.get(name, 0):,} of {size:,} bytes"
    return None


def merged_weights(folder: Path, zero_stage: int) -> dict[str, Any]:
    """All weights of a checkpoint in float32, by name; those that several workers hold in parts are put together."""
    import torch
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    held = {}
    if zero_stage < 3:  # each worker has all weights, though in bfloat16 not all of their digits
        file = folder / TAG / "mp_rank_00_model_states.pt"
        held = torch.load(file, map_location="cpu", weights_only=True)["module"]
    return held if zero_stage == 0 else {**held, **get_fp32_state_dict_from_zero_checkpoint(str(folder), TAG)}


def read_state(folder: Path) -> CheckpointState:
    return CheckpointState(**json.loads((folder / STATE).read_text(encoding="utf-8")))


def folders(storage: Path) -> list[Path]:
    """The checkpoints in a folder, whole or not, by name."""
    return sorted(path for path in storage.glob(f"{PREFIX}*") if path.is_dir())


def latest(storage: Path) -> tuple[Path | None, list[str]]:
    """The whole checkpoint of the most steps in a folder of checkpoints, and a sentence for each one passed over."""
    whole, notes = [], []
    for folder in folders(storage):
        problem = damage(folder)
        if problem is None:
            whole.append((read_state(folder).step, folder.stat().st_mtime_ns, folder))
        else:
            notes.append(f"The checkpoint {folder} is passed over: {problem}.")
    return (max(whole)[2] if whole else None), notes


def sweep(storage: Path) -> None:
    """Delete what was never finished, and all but the last `KEPT` whole ones."""
    whole = [folder for folder in folders(storage) if damage(folder) is None]
    surplus = sorted(whole, key=lambda folder: read_state(folder).step)[:-KEPT]
    unfinished = [folder for folder in folders(storage) if not (folder / STATE).is_file()]
    for folder in (*surplus, *unfinished):
        shutil.rmtree(folder, ignore_errors=True)


def has_room(storage: Path, num_parameters: int) -> bool:
    """Whether weights and both moments of Adam, in float32, find room: known before anyone begins to write."""
    return shutil.disk_usage(storage).free > 12 * num_parameters


def full_disk(storage: Path) -> str:
    """The message for a run that stops because the disk is full."""
    return (
        f"The disk of {storage} is full, so the run stops. The checkpoints that were there are as they were; make "
        "room, and the same command goes on from the last of them."
    )


def disk_is_full(error: Exception, folder: Path) -> bool:
    """Whether writing failed because the disk is full; torch says it in its own words, so the disk is asked."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left" in str(error) or shutil.disk_usage(folder).free < 2**20
