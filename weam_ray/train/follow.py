"""Follows a training run from the driver: reads the step files as they grow, and hands the steps on."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.log import read_steps

POLL_SECONDS = 2.0

Steps = list[dict[str, Any]]


class Follower:
    """The whole lines that were added to a step file since the last look, by step.

    A file that was replaced, by workers that resumed, is read from its beginning again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inode = -1
        self.offset = 0

    def read(self) -> dict[int, dict[str, Any]]:
        if not self.path.is_file():
            return {}
        with self.path.open("rb") as file:
            inode = self.path.stat().st_ino
            if inode != self.inode:
                self.inode, self.offset = inode, 0
            file.seek(self.offset)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self.offset += len(whole)
        entries = [json.loads(line) for line in whole.splitlines()]
        return {entry["step"]: entry for entry in entries}


class StepReader:
    """Reads the steps of a run folder as they come, each once and in order, losses and timings together.

    After a restart of the workers the steps that are repeated do not come again.
    """

    def __init__(self, folder: TrainingFolder) -> None:
        self.followers = Follower(folder.losses), Follower(folder.timings)
        self.losses: dict[int, dict[str, Any]] = {}
        self.timings: dict[int, dict[str, Any]] = {}
        self.seen = self.tokens = 0

    def read(self) -> Steps:
        """The steps since the last look."""
        self.losses.update(self.followers[0].read())
        self.timings.update(self.followers[1].read())
        steps: Steps = []
        while self.seen + 1 in self.losses and self.seen + 1 in self.timings:
            self.seen += 1
            self.tokens += self.losses[self.seen]["tokens"]
            steps.append({**self.losses[self.seen], **self.timings[self.seen], "tokens_seen": self.tokens})
        for known in (self.losses, self.timings):
            for step in [step for step in known if step <= self.seen]:
                del known[step]
        return steps


@contextmanager
def monitored(folder: TrainingFolder, log_steps: Callable[[Steps], None], bar: tqdm) -> Iterator[None]:
    """While the block runs, pass each step once to `log_steps`, in order, and show progress on `bar`."""
    stop = threading.Event()
    reader = StepReader(folder)

    def poll() -> None:
        steps = reader.read()
        if steps:
            log_steps(steps)
            bar.set_postfix_str(f"loss {steps[-1]['loss']:.3f}", refresh=False)
            bar.update(reader.seen - bar.n)

    def work() -> None:
        while not stop.wait(POLL_SECONDS):
            poll()

    thread = threading.Thread(target=work, name="monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        poll()
        bar.close()


def merged(folder: TrainingFolder) -> Steps:
    """The steps that both files hold, losses and timings together."""
    timings = {entry["step"]: entry for entry in read_steps(folder.timings)}
    return [{**entry, **timings[entry["step"]]} for entry in read_steps(folder.losses) if entry["step"] in timings]
