"""Micro-batches made ahead of their step: collated in a thread, or in processes of their own.

A thread takes turns with the one that trains; on a GPU, where a step is short, that makes both slower.
"""

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from weam_ray.batches.batch import Batch, MicroBatches
from weam_ray.batches.loader import Batches
from weam_ray.errors import UserError

if TYPE_CHECKING:
    from torch.utils.data import Dataset

PREFETCHED_STEPS = 4
# what the process that the others are copies of has in memory, so that they need not read it one by one
PRELOADED = ["__main__", "torch.utils.data", "weam_ray.batches.prefetch", "weam_ray.batches.forms"]


def collated(batches: Batches, steps: range, num_processes: int = 0) -> Iterator[MicroBatches]:
    """The micro-batches of some steps, in their order: made when they are asked for, or by processes.

    Those begin at once, and are not waited for.

    Raises:
        UserError: as the collators do, in whatever process.
    """
    if not num_processes or not steps:
        return map(batches.step, steps)
    import torch
    from torch.utils.data import DataLoader

    # clean copies: what a process with threads and a GPU holds is no use to a copy of it
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    loader: Iterable[MicroBatches | UserError] = DataLoader(
        cast("Dataset[MicroBatches | UserError]", StepsByNumber(batches)),
        batch_size=None,
        sampler=steps,
        collate_fn=unchanged,
        num_workers=min(num_processes, len(steps)),
        prefetch_factor=PREFETCHED_STEPS // 2,
        multiprocessing_context=context,
        generator=torch.Generator(),
    )
    pool = ThreadPoolExecutor(1)
    beginning = pool.submit(iter, loader)
    pool.shutdown(wait=False)
    return loaded_by(beginning)


def loaded_by(beginning: Future[Iterator[MicroBatches | UserError]]) -> Iterator[MicroBatches]:
    """What processes load, once they have begun."""
    yield from map(unless_mistaken, beginning.result())


class StepsByNumber:
    """The micro-batches of a worker by the number of their step, as a DataLoader's processes ask for them."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> MicroBatches | UserError:
        """A mistake of the user's is returned: raised here, it would come with a traceback in its text."""
        try:
            return self.batches.step(step)
        except UserError as error:
            return error


def unchanged(micro_batches: Any) -> Any:
    """What a DataLoader is told to do with what it loads."""
    return micro_batches


def unless_mistaken(loaded: MicroBatches | UserError) -> MicroBatches:
    """What a process has loaded.

    Raises:
        UserError: it is one.
    """
    if isinstance(loaded, UserError):
        raise loaded
    return loaded


def ahead(source: Iterator[MicroBatches], finish: Callable[[Batch], Batch] | None = None) -> Iterator[MicroBatches]:
    """Yield micro-batches that a thread asks for ahead of time; it has the last word on each batch, by `finish`."""
    ready: queue.Queue[MicroBatches | BaseException | None] = queue.Queue(PREFETCHED_STEPS)
    stop = threading.Event()

    def put(entry: MicroBatches | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return ready.put(entry, timeout=0.2)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for micro_batches in source:
                put(micro_batches if finish is None else finished(micro_batches, finish))
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:  # raised again where the batches are used
            put(error)

    thread = threading.Thread(target=work, name="collate", daemon=True)
    thread.start()
    try:
        while (entry := ready.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry
    finally:
        stop.set()
        thread.join()


def finished(micro_batches: MicroBatches, finish: Callable[[Batch], Batch]) -> MicroBatches:
    """Micro-batches of which each batch has been finished."""
    return [(number, tuple(map(finish, batches))) for number, batches in micro_batches]
