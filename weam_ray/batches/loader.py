"""The micro-batches of one worker, step by step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weam_ray.batches.batch import Batch, MicroBatches
from weam_ray.batches.forms import Collate
from weam_ray.batches.order import BatchPlan, PlannedRow, ShardRows
from weam_ray.encode.rows import EncodedShard, RowKey
from weam_ray.settings.training import TrainingSection
from weam_ray.store.stages import Stage


class TrainingRows:
    """The encoded training part, opened shard by shard when a row is asked for."""

    def __init__(self, encoded: Stage, part: str = "train") -> None:
        self.encoded, self.part = encoded, part
        self.files = encoded.files(part)
        self.shards = [ShardRows(file.rows, file.info["language_pair"]) for file in self.files]
        self.opened: dict[int, EncodedShard] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process opens the same rows from."""
        return type(self), (self.encoded, self.part)

    def shard(self, number: int) -> EncodedShard:
        if number not in self.opened:
            self.opened[number] = EncodedShard(self.encoded.read_arrow(self.files[number]))
        return self.opened[number]

    def lengths(self, number: int) -> NDArray[np.int32]:
        """The number of tokens of each row of a shard, (rows,)."""
        return self.shard(number).num_tokens

    def plan(self, settings: TrainingSection, seed: int) -> BatchPlan:
        return BatchPlan(
            self.shards,
            self.lengths,
            settings.batch_size,
            seed,
            settings.sampling_temperature,
        )


class Batches:
    """The micro-batches of rank `rank` of `world_size`, for each step in turn.

    The global batch of a step is cut into micro-batches 0, 1, ...; rank r takes r, r + world_size, ... Each is collated
    in the form of every member of the objective.
    """

    def __init__(
        self,
        rows: TrainingRows,
        plan: BatchPlan,
        collators: Sequence[Collate],
        micro_batch_size: int,
        rank: int,
        world_size: int,
    ) -> None:
        self.rows, self.plan, self.collators = rows, plan, collators
        self.micro_batch_size, self.rank, self.world_size = micro_batch_size, rank, world_size

    def step(self, step: int) -> MicroBatches:
        """Return this rank's micro-batches of a step, each with its number in the global batch."""
        planned = self.plan.batch(step)
        numbers = range(self.rank, len(planned) // self.micro_batch_size, self.world_size)
        size = self.micro_batch_size
        return [(number, self.collate(planned[number * size : (number + 1) * size], step + 1)) for number in numbers]

    def collate(self, planned: list[PlannedRow], step: int) -> tuple[Batch, ...]:
        rows = [(RowKey(row.epoch, row.row), self.rows.shard(row.shard).row(row.index)) for row in planned]
        return tuple(collate(rows, step) for collate in self.collators)
