"""What only the whole corpus can decide: which rows have come before, which are held out, and which share their texts.

Here blocks are read by their hashes alone, so that this costs little beside filtering; a byte for each row of the
corpus is all that is kept of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.corpus.blocks import HASHES, SHARE, Block, duplicates_of
from weam_ray.corpus.filters.always import HELD_OUT_ELSEWHERE, LIMIT
from weam_ray.corpus.filters.duplicates import Keys, columns_of, in_part, parts_of, repeated
from weam_ray.corpus.held_out import LARGEST_SHARE, Candidate, choose, lowest, lowest_ranks
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.filters import DuplicatesFilter
from weam_ray.store.folder import Folder

DECIDING = ["reason", *HASHES, SHARE]  # the columns of a block by which it is decided what becomes of its rows
BLOCKS_AT_ONCE = 50  # that one task looks at, one after another
HeldOut = list[tuple[int, Candidate]]  # number of the source, pair
Codes = NDArray[np.uint8]  # of rows: 0, or by which of the filters of duplicates a row is rejected, from 1


@dataclass(frozen=True)
class Dropped:
    """The rows of a corpus that filters of duplicates reject.

    Args:
        names: of these filters.
        codes: (rows of all blocks).
        offsets: where the rows of each block begin there, by source and number.
    """

    names: tuple[str, ...]
    codes: Codes
    offsets: dict[tuple[int, int], int]

    def of(self, block: Block) -> Codes:
        """The codes of the rows of a block."""
        begin = self.offsets[block.source, block.number]
        return self.codes[begin : begin + block.rows]


@dataclass(frozen=True)
class Verdict:
    """What becomes of the rows of a block: a reason where one is rejected, and whether one is held out."""

    reasons: pa.StringArray
    held_out: NDArray[np.bool_]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """The rows to train on."""
        return self.reasons.is_null().to_numpy(zero_copy_only=False) & ~self.held_out


@dataclass(frozen=True)
class Decisions:
    """What was decided of the whole corpus, for the tasks that look at some blocks of it.

    Args:
        held_out: the rows of each source that are held out.
        texts: rising, the hashes of the sentences that no training row may have.
        bounds: of the language pairs with a limit, the rank from which on rows are beyond it.
    """

    corpus: CorpusSection
    names: tuple[str, ...]
    held_out: dict[int, list[int]]
    texts: NDArray[np.int64]
    bounds: dict[str, float]

    def of(self, block: Block, table: pa.Table, codes: Codes) -> Verdict:
        """What becomes of the rows of a block, of which `table` has the columns `DECIDING`."""
        corpus = self.corpus
        source = corpus.sources[block.source]
        rows = np.arange(block.first_row, block.first_row + block.rows)
        held_out = np.isin(rows, self.held_out.get(block.source, []))
        reasons = reasons_with(table["reason"].combine_chunks(), codes, self.names)
        kept = reasons.is_null().to_numpy(zero_copy_only=False) & ~held_out
        if len(self.texts):
            sides = [np.isin(table[name].to_numpy(), self.texts) for name in HASHES[:2]]
            elsewhere = kept & (sides[0] | sides[1])
            reasons = pc.if_else(pa.array(elsewhere), HELD_OUT_ELSEWHERE, reasons)
            kept &= ~elsewhere
        bound = self.bounds.get(source.language_pair)
        if bound is not None:
            is_left_out = not corpus.limits[source.language_pair]
            over = (table[SHARE].to_numpy() >= bound) & (kept | held_out if is_left_out else kept)
            reasons = pc.if_else(pa.array(over), LIMIT, reasons)
            held_out &= ~over
        return Verdict(reasons, held_out)


def reasons_with(reasons: pa.StringArray, codes: Codes, names: Sequence[str]) -> pa.StringArray:
    """Reasons, with those of rows that have come before."""
    for code, name in enumerate(names, 1):
        reasons = pc.if_else(pa.array(codes == code), name, reasons)
    return reasons


def duplicates(corpus: CorpusSection, blocks: list[Block], folder: Folder, num_cpus: float) -> Dropped:
    """Find the rows that have come before, filter by filter, a task for each part of the keys."""
    filters = duplicates_of(corpus)
    names = tuple(str(own.name) for own in filters)
    starts = np.cumsum([0, *(block.rows for block in blocks)])
    offsets = {(block.source, block.number): int(start) for block, start in zip(blocks, starts, strict=False)}
    dropped = Dropped(names, np.zeros(starts[-1] if filters else 0, np.uint8), offsets)
    if not filters or not blocks:
        return Dropped(names, np.broadcast_to(np.uint8(0), starts[-1]), offsets)
    tasks = RayTasks(num_cpus)
    listed = tasks.share(blocks)
    of = parts_of(int(starts[-1]))
    for code, own in enumerate(filters, 1):
        shared = tasks.share(dropped.codes)
        after = labels_after(corpus, own)
        waiting = [tasks.submit(repeated_in_part, own, after, listed, folder, part, of, shared) for part in range(of)]
        for reference in progress(waiting, f"corpus: {own.name}"):
            dropped.codes[tasks.get(reference)] = code
    return dropped


def labels_after(corpus: CorpusSection, own: DuplicatesFilter) -> Sequence[str]:
    """The reasons of the filters that come after one: rows that have them reach it."""
    names = [str(other.name) for other in corpus.filters]
    return names[names.index(str(own.name)) + 1 :]


def repeated_in_part(
    own: DuplicatesFilter, after: Sequence[str], blocks: list[Block], folder: Folder, part: int, of: int, codes: Codes
) -> NDArray[np.int64]:
    """The rows of the corpus, counted from its first one, that have come before, in one part of the keys.

    Args:
        after: reasons of filters that come after this one.
        codes: of the rows that filters before this one reject.
    """
    found: list[tuple[NDArray[np.int64], ...]] = []
    start = 0
    columns = columns_of([str(own.name)])
    for block in blocks:
        table = folder.read_parquet(block.files[0].name, ["reason", *columns])
        keys = Keys(table[columns[0]].to_numpy(), table[columns[1]].to_numpy())
        reasons = table["reason"].combine_chunks()
        reached = pc.or_(reasons.is_null(), pc.is_in(reasons, pa.array(after, pa.string())))
        rows = reached.to_numpy(zero_copy_only=False) & (codes[start : start + block.rows] == 0)
        rows &= in_part(keys, part, of)
        found.append((keys.first[rows], keys.second[rows], start + np.flatnonzero(rows)))
        start += block.rows
    first, second, places = (np.concatenate(column) for column in zip(*found, strict=True))
    return repeated(first, second, places)


def find_held_out(
    corpus: CorpusSection, blocks: list[Block], dropped: Dropped, folder: Folder, num_cpus: float
) -> tuple[HeldOut, dict[str, int]]:
    """Choose the pairs that are held out, and say how many each language pair gave."""
    sources, wanted = corpus.sources, corpus.held_out
    if not wanted:
        return [], {source.language_pair: 0 for source in sources}
    tasks = RayTasks(num_cpus)
    waiting = [
        tasks.submit(candidates, wanted, dropped.names, members, [dropped.of(block) for block in members], folder)
        for members in by_source(blocks)
    ]
    found: dict[int, list[Candidate]] = {number: [] for number in range(len(sources))}
    for number, best in map(tasks.get, progress(waiting, "corpus: held-out pairs")):
        found[number] = lowest(found[number] + best, wanted)
    rows = dict.fromkeys(found, 0)
    for block in blocks:
        rows[block.source] += block.rows
    held_out: HeldOut = []
    limits: dict[str, int] = {}
    for language_pair in dict.fromkeys(source.language_pair for source in sources):
        members = [number for number, source in enumerate(sources) if source.language_pair == language_pair]
        limit = min(wanted, sum(rows[number] for number in members) // LARGEST_SHARE)
        if limit < wanted:
            print(f"corpus: {language_pair} is small; {limit} pairs are held out instead of {wanted} (a fifth at most)")
        chosen = choose([(number, entry) for number in members for entry in found[number]], limit)
        limits[language_pair] = len(chosen)
        held_out += chosen
    return held_out, limits


def by_source(blocks: list[Block]) -> Iterator[list[Block]]:
    """Blocks in their order, some of one source at a time."""
    for number in dict.fromkeys(block.source for block in blocks):
        own = [block for block in blocks if block.source == number]
        yield from (own[begin : begin + BLOCKS_AT_ONCE] for begin in range(0, len(own), BLOCKS_AT_ONCE))


def candidates(
    wanted: int, names: Sequence[str], blocks: list[Block], codes: list[Codes], folder: Folder
) -> tuple[int, list[Candidate]]:
    """The number of a source, and the rows of some of its blocks that may be held out: those of the lowest ranks that
    the filters have kept.
    """
    best: list[Candidate] = []
    for block, own in zip(blocks, codes, strict=True):
        table = folder.read_parquet(block.files[0].name, ["reason", *HASHES])
        kept = reasons_with(table["reason"].combine_chunks(), own, names).is_null().to_numpy(zero_copy_only=False)
        rows = block.first_row + np.flatnonzero(kept)
        texts = [table[name].to_numpy()[kept] for name in HASHES]
        best = lowest_ranks(best, wanted, texts[2], rows, texts[0], texts[1])
    return blocks[0].source, best


def decisions(
    corpus: CorpusSection, blocks: list[Block], dropped: Dropped, held_out: HeldOut, folder: Folder, num_cpus: float
) -> Decisions:
    """What was decided, for the tasks that write the shards."""
    rows: dict[int, list[int]] = {}
    for number, pair in held_out:
        rows.setdefault(number, []).append(pair.row)
    texts = np.unique([text for _, pair in held_out for text in (pair.source_text, pair.target_text)])
    found = Decisions(corpus, dropped.names, rows, texts.astype(np.int64), {})
    bounds: dict[str, float] = {}
    for language_pair, limit in corpus.limits.items():
        own = [block for block in blocks if corpus.sources[block.source].language_pair == language_pair]
        if limit < 1:
            bounds[language_pair] = limit * 2.0**63
        elif limit > 1:
            bounds[language_pair] = bound_of(found, int(limit), own, dropped, folder, num_cpus)
    return replace(found, bounds=bounds)


def bound_of(
    decided: Decisions, limit: int, blocks: list[Block], dropped: Dropped, folder: Folder, num_cpus: float
) -> float:
    """The rank from which on rows of some blocks are beyond a number of rows to keep."""
    tasks = RayTasks(num_cpus)
    shared = tasks.share(decided)
    waiting = [
        tasks.submit(lowest_shares, shared, limit, members, [dropped.of(block) for block in members], folder)
        for members in by_source(blocks)
    ]
    lowest_of_all = np.empty(0, np.int64)
    for reference in progress(waiting, "corpus: limits"):
        lowest_of_all = np.sort(np.concatenate([lowest_of_all, tasks.get(reference)]))[: limit + 1]
    return float("inf") if len(lowest_of_all) <= limit else int(lowest_of_all[limit])


def lowest_shares(
    decided: Decisions, limit: int, blocks: list[Block], codes: list[Codes], folder: Folder
) -> NDArray[np.int64]:
    """The ranks of the rows to train on of some blocks, rising, and no more than one beyond a limit."""
    found = np.empty(0, np.int64)
    for block, own in zip(blocks, codes, strict=True):
        table = folder.read_parquet(block.files[0].name, DECIDING)
        ranks = table[SHARE].to_numpy()[decided.of(block, table, own).kept]
        found = np.sort(np.concatenate([found, ranks]))[: limit + 1]
    return found


def count(decided: Decisions, blocks: list[Block], codes: list[Codes], folder: Folder) -> list[dict[str, Any]]:
    """How many rows of each of some blocks are of each part, and the reasons of the rejected."""
    counts = []
    for block, own in zip(blocks, codes, strict=True):
        verdict = decided.of(block, folder.read_parquet(block.files[0].name, DECIDING), own)
        reasons = verdict.reasons.value_counts().to_pylist()
        counts.append(
            {
                "train": int(verdict.kept.sum()),
                "held_out": int(verdict.held_out.sum()),
                "rejected": {entry["values"]: entry["counts"] for entry in reasons if entry["values"] is not None},
            }
        )
    return counts
