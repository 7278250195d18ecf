"""Functions as tasks of the cluster: over items with Ray Data, one by one, or as streams."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from weam_ray.errors import UserError

Item = dict[str, Any]
LINE_SECONDS = 10.0  # between two lines of a progress bar where there is no terminal
MISTAKE = "mistake"  # a result that is the sentence of an error
WAITING_BYTES = 192e6  # of batches of a stream that are read and not yet worked on
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
    """`consume` of every batch that `produce` of an item yields, as tasks of Ray Data; what they give, in no order.

    Batches wait for their task in Ray's object store, no more than WAITING_BYTES of them at once. A result is a JSON
    value, and the number at its key `rows` is what the progress bar shows.

    Args:
        produce: what comes with each batch is a JSON value; it is told to `consume`.

    Raises:
        UserError: raised in a task, passed on as it is.
    """
    import ray

    def read(batch: dict[str, Any]) -> Iterator[pa.Table]:
        for number in batch["item"]:
            try:
                for about, rows in produce(items[number]):
                    yield packed(about, rows)
            except UserError as error:
                yield packed({MISTAKE: str(error)}, None)

    def work(table: pa.Table) -> pa.Table:
        about = json.loads(table["about"][0].as_py())
        if MISTAKE not in about:
            data = table["data"][0].as_buffer()
            try:
                about = consume(about, pa.ipc.open_stream(data).read_next_batch() if data.size else None)
            except UserError as error:
                about = {MISTAKE: str(error)}
        return pa.table({"result": [json.dumps(about)]})

    context = ray.data.DataContext.get_current().copy()
    context.execution_options.resource_limits = ray.data.ExecutionResources(object_store_memory=WAITING_BYTES)
    with ray.data.DataContext.current(context):
        numbers = [{"item": number} for number in range(len(items))]
        dataset = ray.data.from_items(numbers, override_num_blocks=len(items))
        # that it asks for no CPU keeps Ray from making one task of reading and work
        batches = dataset.map_batches(read, batch_size=1, num_cpus=0)
        done = batches.map_batches(work, batch_size=1, batch_format="pyarrow", zero_copy_batch=True, num_cpus=num_cpus)
        results: list[Item] = []
        bar = progress(None, label)
        for row in done.iter_rows():
            result = json.loads(row["result"])
            if MISTAKE in result:
                raise UserError(result[MISTAKE])
            results.append(result)
            bar.update(result["rows"])
        bar.close()
    return results


def packed(about: Item, batch: pa.RecordBatch | None) -> pa.Table:
    """A batch, and what is told of it, as one row, which Ray Data neither cuts nor joins with others."""
    sink = pa.BufferOutputStream()
    if batch is not None:
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
    data = pa.array([sink.getvalue().to_pybytes()], pa.large_binary())
    return pa.table({"about": [json.dumps(about)], "data": data})


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
