"""What readers yield, as tuples; batches made of tuples; the stage without Ray."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import pyarrow as pa
import pytest

from weam_ray.corpus import blocks, shards, stage, whole
from weam_ray.corpus.readers import raw_pairs
from weam_ray.corpus.readers.base import RAW_PAIRS
from weam_ray.errors import UserError
from weam_ray.settings.sources import Source


class Pair(NamedTuple):
    pair_id: str
    source: str
    target: str
    problem: str | None = None


def read(source: Source) -> list[Pair]:
    """All pairs of a source."""
    batches = list(raw_pairs(source))
    assert all(batch.schema.equals(RAW_PAIRS) for batch in batches)
    return [Pair(**row) for batch in batches for row in batch.to_pylist()]


def refusal(source: Source) -> str:
    """The sentence by which a source is refused."""
    with pytest.raises(UserError) as caught:
        read(source)
    return str(caught.value)


def batch(pairs: Iterable[tuple[str, str]], problem: str | None = None) -> pa.RecordBatch:
    """Pairs of texts as a reader yields them, numbered from 1."""
    rows = [Pair(str(number), *texts, problem)._asdict() for number, texts in enumerate(pairs, 1)]
    return pa.RecordBatch.from_pylist(rows, schema=RAW_PAIRS)


@contextmanager
def without_ray() -> Iterator[None]:
    """The tasks of the stage, in this process and one after another."""

    def run(items: Sequence[Any], produce: Callable[..., Any], consume: Callable[..., Any], *_: object) -> list[Any]:
        return [consume(about, rows) for item in items for about, rows in produce(item)]

    with (
        patch.object(stage, "map_stream", run),
        patch.object(stage, "RayTasks", HereAndNow),
        patch.object(whole, "RayTasks", HereAndNow),
    ):
        yield


class HereAndNow:
    """`RayTasks` whose tasks are done as they are submitted."""

    def __init__(self, num_cpus: float) -> None:
        pass

    def submit(self, step: Callable[..., Any], *arguments: Any) -> Any:
        return [step(*arguments)]

    def share(self, value: Any) -> Any:
        return value

    def get(self, result: Any) -> Any:
        return result[0]


@contextmanager
def blocks_of(num_rows: int) -> Iterator[None]:
    """Blocks of at most so many rows, a few for each task."""
    read = blocks.raw_pairs

    def sliced(source: Source) -> Iterator[pa.RecordBatch]:
        for rows in read(source):
            yield from (rows.slice(begin, num_rows) for begin in range(0, len(rows), num_rows))

    with (
        patch.object(blocks, "raw_pairs", sliced),
        patch.object(blocks, "BLOCK_ROWS", num_rows),
        patch.object(whole, "BLOCKS_AT_ONCE", 2),
        patch.object(shards, "ROWS_AT_ONCE", 2 * num_rows),
    ):
        yield
