"""Blocks: the rows of a source, some at a time, as they are read and filtered, each by a task of its own.

A block has all that decides on its rows later, when the whole corpus is known: hashes of their texts and keys by which
duplicates are found. It is a file of the attempt that builds the stage, and is deleted when the stage is whole.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.cluster.memory import give_back_memory
from weam_ray.corpus.filters import Pairs, keeps
from weam_ray.corpus.filters.always import count_direction_marks, reject_reasons
from weam_ray.corpus.filters.duplicates import Keys, columns_of
from weam_ray.corpus.held_out import rank_hash, ranked_side, share_ranks, text_hashes
from weam_ray.corpus.readers import RAW_PAIRS, damage_is, raw_pairs
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.filters import DuplicatesFilter
from weam_ray.settings.sources import Source
from weam_ray.store.stages import Attempt, StageFile

BLOCK_ROWS = 20_000
BLOCK_BYTES = 8 << 20  # of text
STILL_WORTH_ASKING = 0.9  # the share of rows that are left, below which filters are asked for these alone
PART = "block"
DIRECTION_MARKS = "direction_marks"

TEXTS = ["pair_id", "source", "target"]
HASHES = ["source_text", "target_text", "rank"]  # of both sides, and of the one by which pairs are held out
SHARE = "share"  # the rank of the row among those that `corpus.limits` keeps


@dataclass(frozen=True)
class Block:
    """A block: its source by number, its number there, where its rows begin in the source, and its file."""

    source: int
    number: int
    first_row: int
    rows: int
    rejected: dict[str, int]
    noted: dict[str, int]
    files: tuple[StageFile, ...]

    @classmethod
    def of(cls, result: dict[str, Any]) -> "Block":
        """The block that `filter_block` made."""
        return cls(**{**result, "files": tuple(StageFile(**file) for file in result["files"])})

    def label(self) -> str:
        return block_label(self.source, self.number)


def block_label(source: int, number: int) -> str:
    """The name of a block among the files and notes of its stage."""
    return f"{PART}-{source:03d}-{number:06d}"


def read_blocks(
    corpus: CorpusSection, done: dict[str, dict[str, Any]], item: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], pa.RecordBatch | None]]:
    """The blocks of a source as they stand in its files, without those that are done.

    Args:
        done: the blocks that an earlier attempt has filtered, by label; they count if they have the same rows.
        item: the number of the source.

    Raises:
        UserError: a file cannot be read.
    """
    number, row = item["source"], 0
    with damage_is(corpus.on_damage):
        for place, batch in enumerate(joined(raw_pairs(corpus.sources[number]))):
            about = {"source": number, "number": place, "first_row": row}
            known = done.get(block_label(number, place), {})
            is_done = (known.get("first_row"), known.get("rows")) == (row, len(batch))
            yield about, None if is_done else batch
            row += len(batch)


def joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches put together until they have so many rows or bytes as a block."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= BLOCK_ROWS or sum(own.nbytes for own in waiting) >= BLOCK_BYTES:
            yield from pa.Table.from_batches(waiting, RAW_PAIRS).combine_chunks().to_batches()
            waiting = []
    yield from pa.Table.from_batches(waiting, RAW_PAIRS).combine_chunks().to_batches()


def filter_block(
    corpus: CorpusSection,
    attempt: Attempt,
    done: dict[str, dict[str, Any]],
    about: dict[str, Any],
    batch: pa.RecordBatch | None,
) -> dict[str, Any]:
    """Ask all filters but those that look at the whole corpus for the rows of a block, and write and note it.

    Args:
        batch: of `RAW_PAIRS`; None where the block is done.

    Raises:
        UserError: a filter cannot judge the languages, or a file of it cannot be read.
    """
    give_back_memory()
    label = block_label(about["source"], about["number"])
    if batch is None:
        return done[label]
    source = corpus.sources[about["source"]]
    reasons = local_reasons(corpus, source, batch)
    columns = [batch[name] for name in TEXTS] + [reasons]
    columns += hashes(source.languages, batch, corpus.held_out_seed) if corpus.held_out else no_hashes(len(batch))
    is_limited = corpus.limits.get(source.language_pair, 1) != 1
    places = None
    if corpus.limits.get(source.language_pair, 1) > 1:  # so many pairs are kept, of the same texts too
        places = [f"{about['source']}:{about['first_row'] + row}" for row in range(len(batch))]
    ranks = pa.array(share_ranks(batch, corpus.held_out_seed, places)) if is_limited else no_hashes(len(batch))[0]
    columns.append(ranks)
    global_filters = duplicates_of(corpus)
    for own in global_filters:
        keys = Keys.of(own, source.languages, batch)
        columns += [pa.array(keys.first), pa.array(keys.second)]
    names = [*TEXTS, "reason", *HASHES, SHARE, *columns_of([str(own.name) for own in global_filters])]
    file = attempt.write_parquet(PART, label, pa.table(columns, names))
    result = {
        **about,
        "rows": len(batch),
        "rejected": dict(Counter(reasons.drop_null().to_pylist())),
        "noted": {DIRECTION_MARKS: count_direction_marks(batch)},
        "files": [asdict(file)],
    }
    return attempt.notes.add(label, result)


def duplicates_of(corpus: CorpusSection) -> list[DuplicatesFilter]:
    """The filters that look at the whole corpus, in their order."""
    return [own for own in corpus.filters if isinstance(own, DuplicatesFilter)]


def no_hashes(num_rows: int) -> list[pa.Array]:
    """The columns HASHES where nothing is held out, so that nobody asks for them."""
    return [pa.array(np.zeros(num_rows, np.int64))] * len(HASHES)


def hashes(languages: tuple[str, str], batch: pa.RecordBatch, seed: int) -> list[pa.Array]:
    """The columns HASHES of a batch."""
    sides = batch["source"].to_pylist(), batch["target"].to_pylist()
    texts = np.array([text_hashes(languages, *pair) for pair in zip(*sides, strict=True)], np.int64).reshape(-1, 2)
    ranked = sides[ranked_side(languages) == "target"]
    ranks = [rank_hash(seed, text) for text in ranked]
    return [pa.array(texts[:, 0]), pa.array(texts[:, 1]), pa.array(ranks, pa.int64())]


def local_reasons(corpus: CorpusSection, source: Source, batch: pa.RecordBatch) -> pa.StringArray:
    """The reason to reject each row of a batch, null for those to keep: the first that holds, of those that hold
    whatever the configuration, and of the filters that look at one pair at a time, in their order.
    """
    reasons = reject_reasons(
        batch,
        max_words=corpus.max_words,
        segmentation=corpus.segmentation,
        keep_identical=corpus.keep_identical,
        paired=source.is_paired,
    )
    left = np.flatnonzero(reasons.is_null().to_numpy(zero_copy_only=False))
    asked, pairs = left, Pairs.of(source.languages, batch.take(pa.array(left)))
    for own in corpus.filters:
        if isinstance(own, DuplicatesFilter):
            continue
        if len(left) < STILL_WORTH_ASKING * len(asked):  # else what is counted for one filter serves the next
            asked, pairs = left, Pairs.of(source.languages, batch.take(pa.array(left)))
        kept = keeps(own, pairs)
        dropped = np.zeros(len(batch), np.bool_)
        dropped[np.intersect1d(left, asked[~kept], assume_unique=True)] = True
        left = np.setdiff1d(left, asked[~kept], assume_unique=True)
        reasons = pc.if_else(pa.array(dropped), own.name, reasons)
    return reasons
