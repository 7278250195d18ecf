"""Where the time of a training goes: its processes note in a file of its folder what they begin, one after another."""

import json
import time
from contextlib import suppress
from enum import StrEnum
from itertools import pairwise
from typing import Any

from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.log import read_steps


class Phase(StrEnum):
    """What a training does, in the order in which it first comes to it."""

    WORKERS = "workers"  # Ray Train starts its processes
    ENGINE = "engine"  # imports, the encoder, and the engine
    STEPS = "steps"  # optimizer steps
    HELD_OUT = "held_out"  # held-out figures that a search asks for
    CHECKPOINTS = "checkpoints"  # writing a checkpoint
    EXPORT = "export"  # writing the trained encoder
    RELEASE = "release"  # the processes end


END = ""  # is noted when the last phase has ended


def begin(folder: TrainingFolder, phase: Phase | None) -> None:
    """Note that a phase begins and the one before it ends; None: nothing follows. A full disk does not matter here."""
    line = {"phase": END if phase is None else phase.value, "at": round(time.time(), 3)}
    with suppress(OSError), folder.phases.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def noted(folder: TrainingFolder) -> list[dict[str, Any]]:
    """What was noted so far; nothing, where a full disk cut a line short."""
    try:
        return read_steps(folder.phases)
    except ValueError:
        return []


def running(folder: TrainingFolder) -> bool:
    """Whether a training has begun a phase that is not its end."""
    lines = noted(folder)
    return bool(lines) and lines[-1]["phase"] != END


def seconds_of(folder: TrainingFolder) -> dict[str, float]:
    """Seconds of each phase, over all starts of a training; what a kill broke off does not count."""
    seconds = dict.fromkeys(map(str, Phase), 0.0)
    for line, after in pairwise(noted(folder)):
        if line["phase"] != END and after["phase"] != Phase.WORKERS:
            seconds[line["phase"]] += after["at"] - line["at"]
    return {name: round(value, 3) for name, value in seconds.items()}
