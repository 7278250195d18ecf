"""Shards: the rows of blocks as the files of the stage, so many in each, whatever the blocks are like."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from weam_ray.corpus.blocks import HASHES, SHARE, TEXTS, Block
from weam_ray.corpus.tables import PAIRS, REJECTED, UNPAIRED
from weam_ray.corpus.whole import Codes, Decisions
from weam_ray.settings.sources import Source
from weam_ray.store.stages import Attempt, StageFile

TRAIN, REJECTED_PART = "train", "rejected"
PARTS = (TRAIN, "held_out", REJECTED_PART)
ROWS_AT_ONCE = 100_000  # about as many as one task writes
EXAMPLES = 10  # of rows that were rejected for the same reason
EXAMPLE_CHARACTERS = 300


@dataclass(frozen=True)
class Order:
    """What one task writes: some shards of one part of a source, of rows of that part that follow one another.

    Args:
        shards: the first one, and the one after the last.
        rows: the number of the first row among those of the part, and of the one after the last.
        blocks: that have these rows, and the row before.
        begins: the number of the first row of the part in each of these blocks.
        end_row: how many rows the source has, if the last training shard is among these.
    """

    source: int
    part: str
    shards: tuple[int, int]
    rows: tuple[int, int]
    blocks: tuple[Block, ...]
    begins: tuple[int, ...]
    end_row: int | None = None

    def label(self) -> str:
        return f"{self.part}-{self.source:03d}-{self.shards[0]:05d}-{self.shards[1]:05d}"


def orders(blocks: list[Block], counts: list[dict[str, Any]], rows_per_shard: int) -> Iterator[Order]:
    """What is to be written of the blocks of one source, of which `counts` has the rows of each part."""
    end_row = blocks[-1].first_row + blocks[-1].rows
    for part in PARTS:
        numbers = [sum(own[part].values()) if part == REJECTED_PART else own[part] for own in counts]
        begins = np.cumsum([0, *numbers])
        total = int(begins[-1])
        num_shards = -(-total // rows_per_shard)
        step = max(1, ROWS_AT_ONCE // rows_per_shard)
        for first in range(0, num_shards, step):
            last = min(first + step, num_shards)
            rows = first * rows_per_shard, min(last * rows_per_shard, total)
            here = (begins[1:] >= max(rows[0], 1)) & (begins[:-1] < rows[1]) & (np.diff(begins) > 0)
            places = np.flatnonzero(here)
            yield Order(
                blocks[0].source,
                part,
                (first, last),
                rows,
                tuple(blocks[place] for place in places),
                tuple(int(begins[place]) for place in places),
                end_row if part == TRAIN and last == num_shards else None,
            )


def write_shards(decided: Decisions, attempt: Attempt, order: Order, codes: list[Codes]) -> dict[str, Any]:
    """Write and note some shards; their files, and of rejected rows examples for each reason.

    The rows from `first_row` up to `end_row` of the training shards of a source, one after another, are all its rows.
    """
    source = decided.corpus.sources[order.source]
    size = decided.corpus.rows_per_shard
    files: list[StageFile] = []
    examples: dict[str, list[dict[str, str]]] = {}
    waiting = (REJECTED if order.part == REJECTED_PART else PAIRS).empty_table()
    end_row = 0

    def flush(num_rows: int) -> None:
        nonlocal waiting, end_row
        table = waiting.slice(0, num_rows).combine_chunks()
        waiting = waiting.slice(num_rows)
        info: dict[str, Any] = {"language_pair": source.language_pair}
        if not source.is_paired:
            info[UNPAIRED] = True
        number = order.shards[0] + len(files)
        if order.part == TRAIN:
            first_row, end_row = end_row, table["row"][-1].as_py() + 1
            if order.end_row is not None and number == order.shards[1] - 1:
                end_row = order.end_row
            info |= {"first_row": first_row, "end_row": end_row}
        files.append(attempt.write_parquet(order.part, f"{order.source:03d}-{number:05d}", table, **info))

    for block, begin, own in zip(order.blocks, order.begins, codes, strict=True):
        table = rows_of_part(decided, attempt, block, order.part, own)
        if begin < order.rows[0] <= begin + len(table):  # the row before the first shard
            end_row = table["row"][order.rows[0] - begin - 1].as_py() + 1
        table = table.slice(max(0, order.rows[0] - begin), order.rows[1] - max(order.rows[0], begin))
        if order.part == REJECTED_PART:
            add_examples(examples, table)
        waiting = pa.concat_tables([waiting, table.select(waiting.column_names)])
        while len(waiting) >= size:
            flush(size)
    if len(waiting):
        flush(len(waiting))
    result = {"files": [asdict(file) for file in files], "examples": examples}
    return attempt.notes.add(order.label(), result)


def rows_of_part(decided: Decisions, attempt: Attempt, block: Block, part: str, codes: Codes) -> pa.Table:
    """The rows of a block that are of a part, as `REJECTED` has them."""
    table = attempt.folder.read_parquet(block.files[0].name, [*TEXTS, "reason", *HASHES, SHARE])
    verdict = decided.of(block, table, codes)
    masks = {TRAIN: verdict.kept, "held_out": verdict.held_out}
    mask = masks[part] if part in masks else ~verdict.kept & ~verdict.held_out
    rows = np.arange(block.first_row, block.first_row + block.rows)
    found = with_languages(decided.corpus.sources[block.source], block.source, table, rows, verdict.reasons)
    return found.filter(pa.array(mask))


def with_languages(source: Source, number: int, table: pa.Table, rows: np.ndarray, reasons: pa.StringArray) -> pa.Table:
    """The rows of a block with the names of pairs and languages."""
    names = pa.array([f"{number}:{name}" for name in table["pair_id"].to_pylist()], pa.string())
    languages = [pa.repeat(language, len(table)) for language in source.languages]
    columns = [names, *languages, table["source"], table["target"], pa.array(rows), reasons]
    return pa.table(columns, schema=REJECTED)


def add_examples(examples: dict[str, list[dict[str, str]]], table: pa.Table) -> None:
    """Add the first rows of each reason to those that there are."""
    reasons = table["reason"].to_pylist()
    for place, reason in enumerate(reasons):
        own = examples.setdefault(reason, [])
        if len(own) < EXAMPLES:
            row = table.slice(place, 1).select(TEXTS).to_pylist()[0]
            own.append({key: value[:EXAMPLE_CHARACTERS] for key, value in row.items()})
