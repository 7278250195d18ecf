"""Follows a training run from the driver: reads the step files as they grow, and hands the steps on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from weam_ray.train.log import LOSSES, TIMINGS, read_steps

POLL_SECONDS = 2.0

Steps = list[dict[str, Any]]


@contextmanager
def monitored(folder: Path, log_steps: Callable[[Steps], None], bar: tqdm) -> Iterator[None]:
    """While the block runs, pass each step once to `log_steps`, in order, and show progress on `bar`.

    After a restart of the workers the steps that are repeated are not passed on again.
    """
    stop = threading.Event()
    seen = 0

    def poll() -> None:
        nonlocal seen
        steps = [entry for entry in merged(folder) if entry["step"] > seen]
        if steps:
            log_steps(steps)
            seen = steps[-1]["step"]
            bar.set_postfix_str(f"loss {steps[-1]['loss']:.3f}", refresh=False)
            bar.update(seen - bar.n)

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


def merged(folder: Path) -> Steps:
    """The steps that both files hold, losses and timings together, with the tokens seen so far."""
    timings = {entry["step"]: entry for entry in read_steps(folder / TIMINGS)}
    steps = [{**entry, **timings[entry["step"]]} for entry in read_steps(folder / LOSSES) if entry["step"] in timings]
    tokens = 0
    for entry in steps:
        tokens += entry["tokens"]
        entry["tokens_seen"] = tokens
    return steps
