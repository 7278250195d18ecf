"""Pairs that a reader finds one by one, put into batches."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.readers.base import BLOCK_BYTES, RAW_PAIRS, SKIPS, decode
from weam_ray.errors import UserError

BATCH_ROWS = 10_000


class Row(NamedTuple):
    """A pair as a reader finds it: its name, its texts, and what is wrong with it."""

    pair_id: str
    source: str
    target: str
    problem: str | None = None


def in_batches(rows: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    """Rows as batches of bounded size, their texts as `decode` has them."""
    block: list[Row] = []
    size = 0
    try:
        for row in rows:
            block.append(row)
            size += len(row.source) + len(row.target)
            if len(block) == BATCH_ROWS or size >= BLOCK_BYTES:
                yield batch_of(block)
                block, size = [], 0
    except UserError:
        if block and SKIPS.get():
            yield batch_of(block)  # rows before the damage are kept
        raise
    if block:
        yield batch_of(block)


def batch_of(rows: list[Row]) -> pa.RecordBatch:
    """Rows as one batch; lone surrogates and texts that are too long become problems."""
    names, *texts, problems = zip(*rows, strict=True)
    found = [strings(side) for side in texts]
    problem = pc.coalesce(pa.array(problems, pa.string()), *(own for _, own in found))
    written = [name.encode("utf-8", "replace").decode() for name in names]  # a name may have a lone surrogate
    return pa.record_batch([pa.array(written, pa.string()), *(side for side, _ in found), problem], schema=RAW_PAIRS)


def strings(texts: Iterable[str]) -> tuple[pa.StringArray, pa.StringArray]:
    """Texts of Python, and what is wrong with each: `too_long`, `surrogate` or null."""
    encoded = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.binary())
    return decode(encoded, "", "", 1)
