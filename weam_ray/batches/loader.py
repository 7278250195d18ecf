"""The micro-batches of one worker, collated beside the training step."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from weam_ray.batches.batch import Batch, MicroBatches
from weam_ray.batches.forms import Collate
from weam_ray.batches.order import BatchPlan, PlannedRow, ShardRows
from weam_ray.encode.rows import EncodedShard, RowKey
from weam_ray.settings.training import TrainingSection
from weam_ray.store.stages import Stage

PREFETCHED_STEPS = 4


class TrainingRows:
    """The encoded training part, opened shard by shard when a row is asked for."""

    def __init__(self, encoded: Stage, part: str = "train") -> None:
        self.encoded = encoded
        self.files = encoded.files(part)
        self.shards = [ShardRows(file.rows, file.info["language_pair"]) for file in self.files]
        self.opened: dict[int, EncodedShard] = {}

    def shard(self, number: int) -> EncodedShard:
        if number not in self.opened:
            self.opened[number] = EncodedShard(self.encoded.read_arrow(self.files[number]))
        return self.opened[number]

    def plan(self, settings: TrainingSection, seed: int) -> BatchPlan:
        return BatchPlan(
            self.shards,
            lambda shard: self.shard(shard).num_tokens,
            settings.batch_size,
            seed,
            settings.sampling_temperature,
        )


class Batches:
    """The micro-batches of rank `rank` of `world_size`, for each step in turn.

    The global batch of a step is cut into micro-batches 0, 1, ...; rank r takes r, r + world_size, ... Each is collated
    in the form of every member of the objective, and `finish` has the last word on each batch, ahead of its step.
    """

    def __init__(
        self,
        rows: TrainingRows,
        plan: BatchPlan,
        collators: Sequence[Collate],
        micro_batch_size: int,
        rank: int,
        world_size: int,
        finish: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> None:
        self.rows, self.plan, self.collators = rows, plan, collators
        self.micro_batch_size, self.rank, self.world_size = micro_batch_size, rank, world_size
        self.finish = finish

    def step(self, step: int) -> MicroBatches:
        """Return this rank's micro-batches of a step, each with its number in the global batch."""
        planned = self.plan.batch(step)
        numbers = range(self.rank, len(planned) // self.micro_batch_size, self.world_size)
        size = self.micro_batch_size
        return [(number, self.collate(planned[number * size : (number + 1) * size], step + 1)) for number in numbers]

    def collate(self, planned: list[PlannedRow], step: int) -> tuple[Batch, ...]:
        rows = [(RowKey(row.epoch, row.row), self.rows.shard(row.shard).row(row.index)) for row in planned]
        return tuple(self.finish(collate(rows, step)) for collate in self.collators)

    def steps(self, first: int, last: int) -> Iterator[MicroBatches]:
        """Yield the micro-batches of steps `first` .. `last` - 1, collated ahead of time in a thread."""
        ready: queue.Queue[MicroBatches | BaseException] = queue.Queue(PREFETCHED_STEPS)
        stop = threading.Event()

        def put(entry: MicroBatches | BaseException) -> None:
            while not stop.is_set():
                try:
                    return ready.put(entry, timeout=0.2)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                for step in range(first, last):
                    put(self.step(step))
                    if stop.is_set():
                        return
            except BaseException as error:  # raised again where the batches are used
                put(error)

        thread = threading.Thread(target=work, name="collate", daemon=True)
        thread.start()
        try:
            for _ in range(first, last):
                entry = ready.get()
                if isinstance(entry, BaseException):
                    raise entry
                yield entry
        finally:
            stop.set()
            thread.join()
