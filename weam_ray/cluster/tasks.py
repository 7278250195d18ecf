"""Functions as tasks of the cluster: over items with Ray Data, one by one, or as streams."""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from weam_ray.cluster.capacity import num_slots
from weam_ray.cluster.ray_private import bounded_stream
from weam_ray.errors import UserError

Item = dict[str, Any]
LINE_SECONDS = 10.0  # between two lines of a progress bar where there is no terminal
MISTAKE = "mistake"  # a result that is the sentence of an error
AHEAD = 2  # batches of a stream that are read before somebody asks for them
MOVE_UP = "\x1b[A"  # the cursor, as tqdm moves it between bars


def map_items(items: Sequence[Item], task: Callable[[Item], Item], label: str, num_cpus: float = 1.0) -> list[Item]:
    """`task` of every item, as tasks of Ray Data, in the order of the items; results are JSON values.

    An item is a small description (a source, a shard of a stage); the task reads and writes the rows itself, so a
    retried task only writes its file again and the number of workers changes nothing.

    Raises:
        UserError: raised in a task, passed on as it is.
    """
    import ray

    def run(batch: dict[str, Any]) -> dict[str, Any]:
        results: list[str] = []
        for number in batch["item"]:
            try:
                result = {"number": int(number), "done": task(items[number])}
            except UserError as error:
                result = {"number": int(number), MISTAKE: str(error)}
            results.append(json.dumps(result))
        return {"result": results}

    # one operator, and so one start of tasks; a range would be read by another
    dataset = ray.data.from_items([{"item": number} for number in range(len(items))], override_num_blocks=len(items))
    mapped = dataset.map_batches(run, batch_size=1, num_cpus=num_cpus)
    results: dict[int, Item] = {}
    for row in progress(mapped.iter_rows(), label, total=len(items)):
        result = json.loads(row["result"])
        if MISTAKE in result:
            raise UserError(result[MISTAKE])
        results[result["number"]] = result["done"]
    return [results[number] for number in range(len(items))]


def map_stream(
    items: Sequence[Item],
    produce: Callable[[Item], Iterator[tuple[Item, pa.RecordBatch | None]]],
    consume: Callable[[Item, pa.RecordBatch | None], Item],
    label: str,
    num_cpus: float = 1.0,
) -> list[Item]:
    """`consume` of every batch that `produce` of an item yields, as tasks; what they give, in no order.

    An item is read by one task, which takes no CPU of its own and is AHEAD by a few batches; each batch is worked on by
    another. So memory does not grow with what is read, however long it is. The number at the key `rows` of a result is
    what the progress bar shows.

    Args:
        produce: what comes with each batch is told to `consume`.

    Raises:
        UserError: raised in a task, passed on as it is.
    """
    import ray

    def read(item: Item) -> Iterator[tuple[Item, pa.RecordBatch | None]]:
        yield from produce(item)

    def work(batch: tuple[Item, pa.RecordBatch | None]) -> Item:
        return consume(*batch)

    tasks, slots = RayTasks(num_cpus), max(1, int(num_slots(num_cpus)))
    reader = bounded_stream(ray.remote(read), AHEAD)
    waiting = deque(items)
    readers: list[Any] = []
    running: list[Any] = []
    results: list[Item] = []
    with progress(None, label) as bar:
        while waiting or readers or running:
            while waiting and len(readers) < slots:
                readers.append(reader.remote(waiting.popleft()))
            asked = [*running, *(readers if len(running) < 2 * slots else [])]
            (ready,), _ = ray.wait(asked, num_returns=1, fetch_local=False)
            if ready in running:
                running.remove(ready)
                results.append(tasks.get(ready))
                bar.update(results[-1]["rows"])
                continue
            try:
                running.append(tasks.submit(work, next(ready)))
            except StopIteration:
                readers.remove(ready)
    return results


def stream(task: Callable[..., Iterator[Any]], num_cpus: float, *arguments: Any) -> Iterator[Any]:
    """What a generator yields that runs as one task, as it comes; what it raises is raised here."""
    import ray

    results = ray.remote(task).options(num_cpus=num_cpus, num_returns="streaming").remote(*arguments)
    for result in results:
        yield RayTasks(num_cpus).get(result)


class Shared:
    """A value in Ray's object store: one copy on a node, whose arrays all its processes read in place."""

    def __init__(self, value: Any) -> None:
        import ray

        self.reference = ray.put(value)

    def get(self) -> Any:
        import ray

        return ray.get(self.reference)


class RayTasks:
    """Runs functions as Ray tasks; their results stay where they are computed until another task or `get` asks."""

    def __init__(self, num_cpus: float, num_gpus: float = 0) -> None:
        self.num_cpus = num_cpus
        self.num_gpus = num_gpus
        self.known: dict[Callable[..., Any], Any] = {}

    def submit(self, step: Callable[..., Any], *arguments: Any, returns: int = 1) -> Any:
        """Start a task; a reference to its result, or `returns` references where it returns a tuple."""
        import ray

        if step not in self.known:
            self.known[step] = ray.remote(step)
        options = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "num_returns": returns}
        return self.known[step].options(**options).remote(*arguments)

    def share(self, value: Any) -> Any:
        """Put a value where all tasks read it, in place where they are on its node; a reference to it."""
        import ray

        return ray.put(value)

    def get(self, results: Any) -> Any:
        """The values of one reference or of a list; what a task raised is raised here."""
        import ray

        try:
            return ray.get(results)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None


class Lines:
    """A stream that takes what a progress bar writes, and passes every state of it on to stderr as a line."""

    def write(self, text: str) -> None:
        state = text.replace(MOVE_UP, "").strip()
        if state:
            print(state, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(rows: Any, label: str, total: int | None = None, done: int = 0, leave: bool = False) -> Any:
    """A progress bar on stderr: redrawn on a terminal, a line now and then elsewhere.

    Args:
        rows: what is iterated over; None where `update` is called.
        done: how many are done already.
        leave: whether the last state stays.
    """
    own: dict[str, Any] = {"mininterval": 0.5}
    if not sys.stderr.isatty():
        own = {"mininterval": LINE_SECONDS, "delay": LINE_SECONDS, "file": Lines()}
    return tqdm(rows, desc=label, total=total, initial=done, leave=leave, **own)
