"""Two trainings that take turns on one machine, some steps each: what else the machine does slows both alike."""

import time
from pathlib import Path

import psutil

from weam_ray.store.training_folder import TrainingFolder

POLL_SECONDS = 0.02
START_SECONDS = 300.0


class Training:
    """A training in a process of its own, known by the folder that it logs its steps to."""

    def __init__(self, folder: Path) -> None:
        self.file = TrainingFolder(folder).timings
        self.disturbed: set[int] = set()
        self.process: psutil.Process | None = None

    @property
    def steps(self) -> int:
        """How many it has done."""
        return self.file.read_bytes().count(b"\n") if self.file.is_file() else 0

    def find(self) -> psutil.Process:
        """The process that has the log open: this one's child, grandchild, ..."""
        for process in psutil.Process().children(recursive=True):
            try:
                if any(Path(own.path) == self.file for own in process.open_files()):
                    return process
            except psutil.Error:  # it has ended, or is no business of ours
                continue
        raise RuntimeError(f"no process has {self.file} open")

    def wait(self, steps: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.steps < steps:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.file}: {self.steps} of {steps} steps after {START_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def halt(self) -> None:
        """Stand still; the step that it is in counts no more."""
        self.process = self.process or self.find()
        self.process.suspend()
        self.disturbed.add(self.steps + 1)

    def go_on(self) -> None:
        assert self.process is not None
        self.process.resume()


def take_turns(first: Training, second: Training, steps: int, block: int) -> None:
    """Let two trainings that have been started do `steps` steps each, `block` at a time."""
    try:
        begun_by = time.monotonic() + START_SECONDS
        begin = [first, second]
        while begin:  # one is ready long before the other, and waits
            for training in [own for own in begin if own.steps]:
                training.halt()
                begin.remove(training)
            if time.monotonic() > begun_by:
                raise RuntimeError(f"{begin[0].file}: no step after {START_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
        while min(first.steps, second.steps) < steps:
            for training in (first, second):
                training.go_on()
                training.wait(min(steps, training.steps + block))
                training.halt()
    finally:
        for training in (first, second):
            if training.process is not None:
                training.go_on()
