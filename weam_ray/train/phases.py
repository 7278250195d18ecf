"""Where the time of a training goes: its processes note in a file of the run folder what they begin, one by one."""

import json
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from weam_ray.train.log import read_steps

PHASES = "phases.jsonl"
# Ray and its processes; imports, encoder and engine; the steps; ... ; the end of the processes
WORKERS, ENGINE, STEPS, HELD_OUT, CHECKPOINTS, EXPORT, RELEASE = NAMES = (
    "workers",
    "engine",
    "steps",
    "held_out",
    "checkpoints",
    "export",
    "release",
)
NOTHING = ""  # after the last


def begin(folder: Path, phase: str) -> None:
    """Note that a phase begins, and the one before ends. A full disk does not matter here."""
    with suppress(OSError), (folder / PHASES).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"phase": phase, "at": round(time.time(), 3)}) + "\n")


def noted(folder: Path) -> list[dict[str, Any]]:
    """What was noted so far; nothing, where a full disk cut a line short."""
    try:
        return read_steps(folder / PHASES)
    except ValueError:
        return []


def running(folder: Path) -> bool:
    """Whether a training has begun a phase that is not its end."""
    lines = noted(folder)
    return bool(lines) and lines[-1]["phase"] != NOTHING


def seconds_of(folder: Path) -> dict[str, float]:
    """Seconds of each phase, over all starts of a training; what a kill broke off does not count."""
    found = dict.fromkeys(NAMES, 0.0)
    for line, after in pairwise(noted(folder)):
        if line["phase"] != NOTHING and after["phase"] != WORKERS:
            found[line["phase"]] += after["at"] - line["at"]
    return {name: round(value, 3) for name, value in found.items()}
