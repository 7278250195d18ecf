"""The batch plan: which rows make up which global batch, as a pure function of a seed and the manifest.

Each language pair is an endless stream of its rows: epoch after epoch, its shards in a new order each time, and the
rows of each shard in a new order. Windows of about 100 global batches take from every stream its share, are sorted by
length, cut into batches, and the batches shuffled. Nothing depends on the number of workers, and any batch can be had
without those before it. Only the order of the shards in use is ever held.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW_BATCHES = 100
GOLDEN = (math.sqrt(5) - 1) / 2
SHARDS_STREAM, ROWS_STREAM, WINDOW_STREAM = 10, 11, 12


@dataclass(frozen=True)
class ShardRows:
    """A shard as the plan sees it: its number of rows, and its language pair."""

    rows: int
    language_pair: str


@dataclass(frozen=True)
class PlannedRow:
    """A row of a batch: its shard, its index there, its row number in the whole part, and the epoch of its stream."""

    shard: int
    index: int
    row: int
    epoch: int


class BatchPlan:
    """The order of the rows of a training part.

    Args:
        shards: in the order of the manifest.
        lengths: returns the lengths of a shard's rows, by which a window is sorted.
        batch_size: rows of a global batch.
        seed: of the order.
        temperature: a language pair of n rows is drawn in proportion to n^(1 / temperature).
    """

    def __init__(
        self,
        shards: Sequence[ShardRows],
        lengths: Callable[[int], NDArray[np.int32]],
        batch_size: int,
        seed: int,
        temperature: float = 1.0,
    ) -> None:
        assert any(shard.rows for shard in shards), "no rows to plan"
        self.shards = list(shards)
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.starts = np.concatenate([[0], np.cumsum([shard.rows for shard in shards])])
        self.temperature = temperature
        self.pairs = sorted({shard.language_pair for shard in shards if shard.rows})
        members = {pair: [k for k, shard in enumerate(shards) if shard.language_pair == pair] for pair in self.pairs}
        self.streams = [np.array(members[pair]) for pair in self.pairs]
        self.sizes = np.array([sum(shards[k].rows for k in members[pair]) for pair in self.pairs])
        weights = self.sizes ** (1.0 / temperature)
        self.boundaries = np.concatenate([[0.0], np.cumsum(weights / weights.sum())])
        self.boundaries[-1] = 1.0
        self.window_batches = int(max(1, min(WINDOW_BATCHES, self.sizes.sum() // batch_size)))
        self.window = lru_cache(maxsize=2)(self._window)
        self.row_order = lru_cache(maxsize=4 * len(self.pairs) + 4)(self._row_order)

    def __reduce__(self) -> tuple[Any, ...]:
        """What another process makes the same plan from."""
        return type(self), (self.shards, self.lengths, self.batch_size, self.seed, self.temperature)

    def batch(self, step: int) -> list[PlannedRow]:
        """Return the `batch_size` rows of the global batch of a step (from 0), by falling length."""
        window, number = divmod(step, self.window_batches)
        return self.window(window)[number]

    def shares(self, first: int, last: int) -> NDArray[np.int64]:
        """Count the rows of each language pair in the windows `first` .. `last` - 1, (pairs,).

        A window's rows lie evenly on the unit interval, shifted by an offset of the window's own, and each pair has
        an interval of its length: within one row of its share in every window, and without drift over many.
        """
        size = self.window_batches * self.batch_size
        windows = np.arange(first, last, dtype=np.float64)
        offsets = (windows * GOLDEN + (self.seed % 1000) * math.sqrt(2)) % 1.0
        ends = np.clip(np.ceil(self.boundaries * size - offsets[:, None]), 0, size)
        return np.diff(ends, axis=1).sum(axis=0).astype(np.int64)

    def _window(self, window: int) -> list[list[PlannedRow]]:
        start, counts = self.shares(0, window), self.shares(window, window + 1)
        rows = [
            row
            for stream in range(len(self.streams))
            for row in self.take(stream, int(start[stream]), int(counts[stream]))
        ]
        lengths = np.array([self.lengths(row.shard)[row.index] for row in rows])
        generator = np.random.default_rng([self.seed, window, WINDOW_STREAM])
        # rows of one length in an order of chance, so that a batch mixes the language pairs
        by_length = np.lexsort((generator.random(len(rows)), -lengths))
        batches = by_length.reshape(self.window_batches, self.batch_size)
        return [[rows[k] for k in batches[number]] for number in generator.permutation(self.window_batches)]

    def take(self, stream: int, start: int, count: int) -> list[PlannedRow]:
        """Take `count` rows of a language pair's endless stream, from position `start`."""
        rows: list[PlannedRow] = []
        while len(rows) < count:
            epoch, position = divmod(start + len(rows), int(self.sizes[stream]))
            for shard in self.shard_order(stream, epoch):
                size = self.shards[shard].rows
                if position >= size:
                    position -= size
                    continue
                order = self.row_order(shard, epoch)[position : position + count - len(rows)]
                first = int(self.starts[shard])
                rows += [PlannedRow(shard, int(index), first + int(index), epoch) for index in order]
                position = 0
                if len(rows) == count:
                    break
        return rows

    def shard_order(self, stream: int, epoch: int) -> list[int]:
        generator = np.random.default_rng([self.seed, epoch, stream, SHARDS_STREAM])
        return [int(shard) for shard in generator.permutation(self.streams[stream])]

    def _row_order(self, shard: int, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, epoch, shard, ROWS_STREAM]).permutation(self.shards[shard].rows)
