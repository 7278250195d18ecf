"""A training that waits for room says so: Ray starts its workers when there is room for all of them, however late."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.phases import Phase, noted

FIRST_SECONDS, AGAIN_SECONDS = 30.0, 600.0


@contextmanager
def told_of_waiting(
    folder: TrainingFolder, num_workers: int, per_worker: dict[str, float]
) -> Iterator[threading.Thread]:
    """While the block runs, print a line now and then for as long as there is no room for the workers.

    The thread that does it, which the block is given, ends when they have begun.
    """
    over = threading.Event()

    def watch() -> None:
        seconds = FIRST_SECONDS
        while not over.wait(seconds):
            if not waits(folder):
                return
            line = lacking(num_workers, per_worker)
            if line:
                print(line, flush=True)
                seconds = AGAIN_SECONDS

    thread = threading.Thread(target=watch, name="waiting", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        over.set()


def waits(folder: TrainingFolder) -> bool:
    """Whether no worker of a training has begun anything."""
    lines = noted(folder)
    return not lines or lines[-1]["phase"] == Phase.WORKERS


def lacking(num_workers: int, per_worker: dict[str, float]) -> str:
    """What the cluster lacks at the moment for some workers, as a sentence; empty if they have room."""
    import ray
    from ray.util import placement_group_table

    if not any(group["state"] == "PENDING" for group in placement_group_table().values()):
        return ""  # the workers have their room, and have not begun
    free = ray.available_resources()
    needed = {name: amount * num_workers for name, amount in per_worker.items()}
    short = {name: amount for name, amount in needed.items() if free.get(name, 0.0) < amount}
    if not short:
        return ""
    has = " and ".join(f"{free.get(name, 0.0):g} {name} of {amount:g}" for name, amount in short.items())
    return (
        f"training: the workers wait for room: {has} are free; other work on the cluster holds the rest (`ray status` "
        "shows what)."
    )
