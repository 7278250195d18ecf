"""The memory of workers: of those that align, bounded and given back; of those that train, kept; and how much it is."""

import ctypes
import gc
import threading
from contextlib import suppress

import psutil
import pyarrow as pa

STEPS_BETWEEN, GROWTH = 50, 1.5
LARGE = 16 * 2**20  # bytes; an array of more is given back as soon as it is freed
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4  # of glibc's mallopt


def give_back_memory() -> None:
    """Return to the system what an earlier task of this process has freed; call it when a large task begins.

    From here on Arrow uses the C library's heap, and large arrays stay out of it: both would keep what is freed, and a
    worker would grow with the number of its tasks.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    gc.collect(1)  # a full collection takes a tenth of a second with all libraries loaded, before every file
    with suppress(OSError, AttributeError):  # a C library of another kind
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE)
        library.malloc_trim(0)


def keep_memory() -> None:
    """From here on keep what is freed, for the next allocation.

    A training step allocates the same large tensors again and again. The C library would return them to the system
    each time, which then hands out cleared pages anew, at a cost of the order of the logits' own arithmetic. In a
    process of which another thread than the first does the work, this takes MALLOC_ARENA_MAX=1 from its start: the C
    library's heaps of other threads hold no large tensors.
    """
    with suppress(OSError, AttributeError):  # a C library of another kind
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, -1)
        library.mallopt(_M_TOP_PAD, LARGE)


class KeptMemory:
    """Kept memory of a process that goes on for long, given back whenever it has grown by half.

    Tensors of other sizes from step to step leave holes between what stays, so that the heap grows, the slower the
    longer. It is given back as a whole, and the next steps take what they need again.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.level: int | None = None  # what was held some steps after the memory was given back

    def after_step(self) -> None:
        """Look at the memory after some steps."""
        self.steps += 1
        if self.steps % STEPS_BETWEEN:
            return
        held = private_memory()
        if self.level is None:
            self.level = held
        elif held > GROWTH * self.level + LARGE:
            trim()
            self.level = None


def trim() -> None:
    """Return all free memory of the C library's heap to the system."""
    with suppress(OSError, AttributeError):  # a C library of another kind
        ctypes.CDLL(None).malloc_trim(0)


def private_memory() -> int:
    """Bytes of memory that this process shares with no other: what is neither a mapped file nor shared memory."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))
    except (OSError, StopIteration):  # not Linux
        return psutil.Process().memory_full_info().uss


class PeakMemory:
    """The most memory that this process and those that it started had at once, without what they share, in bytes.

    A cluster that this process has joined and not started is not counted.
    """

    def __init__(self, seconds: float = 0.5) -> None:
        self.seconds = seconds  # between two looks
        self.peak = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="peak memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()

    def watch(self) -> None:
        """Look until the block ends."""
        while True:
            self.peak = max(self.peak, own_memory())
            if self.stopped.wait(self.seconds):
                return


def own_memory() -> int:
    """The memory of this process and of those that it started, without what they share, in bytes."""
    found = 0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        with suppress(psutil.Error):
            memory = process.memory_info()
            found += memory.rss - getattr(memory, "shared", 0)
    return found
