"""The steps of a fit, and the values that pass between them; `fit` says in which order.

Counts are integers (see `em`), so their sums do not depend on the number of shards, and words are numbered by their
order in the sorted vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.align.fast_align import em
from weam_ray.align.fast_align.bitext import Bitext, Side, find_forms
from weam_ray.align.fast_align.model import IterationReport, Part
from weam_ray.align.fast_align.pairs import add_counts, merge_rows, take_rows
from weam_ray.align.fast_align.prior import Priors, optimize_tension
from weam_ray.corpus.words import Words
from weam_ray.store.arrays import freeze

PRIOR_CELLS = 2**22  # of the priors that a shard remembers during an E-step: 64 MiB at most

Load = Callable[[], tuple[Words, Words]]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Summary:
    """What is added up over shards before the first iteration: cells, and the distinct (m, n) with their numbers."""

    num_cells: int
    lengths: NDArray[np.int64]
    frequencies: Counts


@dataclass(frozen=True)
class Shard:
    """A shard's sentences, the pair of each cell, and what its words are called in the vocabularies.

    The pairs from `cuts[r]` to `cuts[r + 1]` belong to range r.
    """

    bitext: Bitext
    cells: NDArray[np.int32]
    cell_offsets: NDArray[np.int64]
    source_numbers: NDArray[np.int32]
    target_numbers: NDArray[np.int32]
    cuts: NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """The rows of one range of source words that a shard has: their numbers in the range, lengths, and columns."""

    numbers: NDArray[np.int32]
    lengths: NDArray[np.int64]
    columns: NDArray[np.int32]


@dataclass(frozen=True)
class Range:
    """The word pairs of a range of source words, over all shards; as in `model.Part`."""

    first_row: int
    row_offsets: NDArray[np.int64]
    columns: NDArray[np.int32]


@dataclass(frozen=True)
class Factors:
    """What the M-step multiplies with: normalizers of the source and target words; and the null word's rows."""

    forward: NDArray[np.float64]
    reverse: NDArray[np.float64]
    forward_null: NDArray[np.float64]
    reverse_null: NDArray[np.float64]


def read_shard(load: Load, lowercase: bool) -> tuple[Bitext, tuple[pa.StringArray, Counts], pa.StringArray, Summary]:
    """A shard's words as numbers; its source words with their cells; its target words; what is added up."""
    source, target = load()
    bitext = Bitext(Side.of(source, lowercase), Side.of(target, lowercase))
    weighted = bitext.source.forms, bitext.cells_by_source_word()
    return bitext, weighted, bitext.target.forms, Summary(bitext.num_cells, *bitext.length_counts())


def merge_forms(*forms: pa.StringArray) -> pa.StringArray:
    """The distinct words of all shards, in rising order."""
    distinct = pa.chunked_array(forms).unique()
    return distinct.take(pc.array_sort_indices(distinct))


def merge_source_forms(num_ranges: int, *weighted: tuple[pa.StringArray, Counts]) -> tuple[pa.StringArray, Counts]:
    """The distinct words of all shards, in rising order; and the first word of each range, of equally many cells.

    Bounds follow from the corpus alone, whatever its shards. The last one is the number of words.
    """
    forms = merge_forms(*[forms for forms, _ in weighted])
    cells = np.zeros(len(forms), np.int64)
    for own_forms, own_cells in weighted:
        cells[find_forms(own_forms, forms)] += own_cells
    before = np.cumsum(cells) - cells
    wanted = cells.sum() * np.arange(num_ranges) // num_ranges
    bounds = np.append(np.searchsorted(before, wanted), len(forms))
    return forms, bounds


def index_shard(
    bitext: Bitext, source_forms: pa.StringArray, target_forms: pa.StringArray, bounds: Counts
) -> tuple[Any, ...]:
    """A shard with its word pairs found, and its rows of every range."""
    source_numbers = find_forms(bitext.source.forms, source_forms)
    target_numbers = find_forms(bitext.target.forms, target_forms)
    row_offsets, columns, cells, cell_offsets = bitext.pairs()
    first_rows = np.searchsorted(source_numbers, bounds)
    rows = [
        Rows(
            (source_numbers[begin:end] - bounds[r]).astype(np.int32),
            np.diff(row_offsets[begin : end + 1]),
            target_numbers[columns[row_offsets[begin] : row_offsets[end]]],
        )
        for r, (begin, end) in enumerate(pairwise(first_rows))
    ]
    shard = Shard(bitext, cells, cell_offsets, source_numbers, target_numbers, row_offsets[first_rows])
    return (shard, *rows)


def merge_range(r: int, bounds: Counts, target_forms: pa.StringArray, *rows: Rows) -> tuple[Any, ...]:
    """The word pairs of range r over all shards, the number of pairs by row and by column, and each shard's places."""
    num_rows = int(bounds[r + 1] - bounds[r])
    offsets, columns, places = merge_rows(
        np.concatenate([shard.numbers for shard in rows]),
        np.concatenate([shard.lengths for shard in rows]),
        np.concatenate([shard.columns for shard in rows]),
        num_rows,
        len(target_forms),
    )
    sizes = np.diff(offsets), np.bincount(columns, minlength=len(target_forms))
    by_shard = np.split(places, np.cumsum([len(shard.columns) for shard in rows])[:-1])
    return (Range(int(bounds[r]), offsets, columns), sizes, *by_shard)


def add_lengths(summaries: Sequence[Summary]) -> tuple[NDArray[np.int64], Counts]:
    """The distinct (m, n) of all shards, rising, and how many pairs have each."""
    lengths, where = np.unique(np.concatenate([summary.lengths for summary in summaries]), axis=0, return_inverse=True)
    frequencies = np.zeros(len(lengths), np.int64)
    np.add.at(frequencies, where.ravel(), np.concatenate([summary.frequencies for summary in summaries]))
    return lengths, frequencies


def first_factors(source_forms: pa.StringArray, target_forms: pa.StringArray) -> Factors:
    """Before the first iteration every probability is the same."""
    forward, reverse = np.full(len(target_forms), em.UNSEEN), np.full(len(source_forms), em.UNSEEN)
    return Factors(np.ones(len(source_forms)), np.ones(len(target_forms)), forward, reverse)


def expect(
    shard: Shard,
    factors: Factors,
    forward_tension: float,
    reverse_tension: float,
    null_probability: float,
    exact: bool,
    *values: NDArray[np.float64],
) -> tuple[Any, ...]:
    """The E-step of a shard: statistics, the counts of the null word, and the counts (pairs, 2) of every range.

    `exact`: the statistics have the feature that the exact gradient of the tension needs.
    """
    bitext, cuts = shard.bitext, shard.cuts
    of_pairs = np.empty((0, 2)) if values[0] is None else values[0] if len(values) == 1 else np.concatenate(values)
    freeze(of_pairs)
    counts = np.zeros((int(cuts[-1]), 2), np.int64)
    forward_null_counts = np.zeros(len(shard.target_numbers), np.int64)
    reverse_null_counts = np.zeros(len(shard.source_numbers), np.int64)
    statistics = em.expectation(
        bitext.source.ids,
        bitext.source.offsets,
        bitext.target.ids,
        bitext.target.offsets,
        shard.cell_offsets,
        shard.cells,
        of_pairs,
        counts,
        factors.forward_null[shard.target_numbers],
        factors.reverse_null[shard.source_numbers],
        (forward_tension, reverse_tension),
        null_probability,
        Priors.empty(PRIOR_CELLS),
        forward_null_counts,
        reverse_null_counts,
        int(exact),
    )
    null_counts = shard.target_numbers, forward_null_counts, shard.source_numbers, reverse_null_counts
    return (statistics, null_counts, *(counts[begin:end] for begin, end in pairwise(cuts)))


def merge_counts(of_range: Range, target_forms: pa.StringArray, *places_and_counts: Any) -> tuple[Any, ...]:
    """The counts (pairs, 2) of a range over all shards, and their sums: forward by row, reverse by column."""
    num_shards = len(places_and_counts) // 2
    counts = np.zeros((len(of_range.columns), 2), np.int64)
    for places, given in zip(places_and_counts[:num_shards], places_and_counts[num_shards:], strict=True):
        freeze(places, given)
        add_counts(places, given, counts)
    column_totals = np.zeros(len(target_forms), np.int64)
    freeze(of_range.row_offsets, of_range.columns)
    row_totals = em.add_totals(of_range.row_offsets, of_range.columns, counts, column_totals)
    return counts, (row_totals, column_totals)


def normalize(alpha: float, bounds: Counts, target_forms: pa.StringArray, num_ranges: int, *rest: Any) -> Factors:
    """The factors of the M-step from the totals and sizes of all ranges and the null counts of all shards."""
    totals, sizes, null_counts = rest[:num_ranges], rest[num_ranges : 2 * num_ranges], rest[2 * num_ranges :]
    num_source, num_target = int(bounds[-1]), len(target_forms)
    forward_null, reverse_null = np.zeros(num_target, np.int64), np.zeros(num_source, np.int64)
    for target_numbers, forward, source_numbers, reverse in null_counts:
        forward_null[target_numbers] += forward
        reverse_null[source_numbers] += reverse
    row_totals, row_sizes = (np.concatenate([rows for rows, _ in by_range]) for by_range in (totals, sizes))
    column_totals, column_sizes = (sum(columns for _, columns in by_range) for by_range in (totals, sizes))
    return Factors(
        em.normalizers(row_totals, row_sizes, alpha),
        em.normalizers(column_totals, column_sizes, alpha),
        em.maximize_row(forward_null, alpha),
        em.maximize_row(reverse_null, alpha),
    )


def first_tension(tension: float) -> float:
    return tension


def next_tension(
    direction: int,
    tension: float,
    lengths: NDArray[np.int64],
    frequencies: Counts,
    exact: bool,
    *statistics: NDArray[np.int64],
) -> float:
    """The tension of a direction (0 forward, 1 reverse) after the E-step of all shards."""
    num_tokens = int((lengths[:, direction] * frequencies).sum())
    feature = int(np.sum(statistics, axis=0)[direction, 2])
    own_lengths = np.ascontiguousarray(lengths if direction == 0 else lengths[:, ::-1])
    freeze(own_lengths, frequencies)
    empirical = feature / em.COUNT_SCALE / num_tokens
    return float(optimize_tension(tension, empirical, own_lengths, frequencies, num_tokens, exact))


def maximize(
    counts: Counts, of_range: Range, factors: Factors, alpha: float, *places: NDArray[np.int32]
) -> tuple[Any, ...] | NDArray[np.float64]:
    """The M-step of a range: t(f|e) and t(e|f) of each shard's pairs, (pairs, 2)."""
    table = range_table(counts, of_range, factors, alpha)
    freeze(table, *places)
    by_shard = tuple(np.empty((len(of_shard), 2)) for of_shard in places)
    for of_shard, taken in zip(places, by_shard, strict=True):
        take_rows(table, of_shard, taken)
    return by_shard if len(by_shard) > 1 else by_shard[0]


def range_table(counts: Counts | None, of_range: Range, factors: Factors, alpha: float) -> NDArray[np.float64]:
    """t(f|e) and t(e|f) of the pairs of a range; without counts, before the first iteration, all the same."""
    if counts is None:
        return np.full((len(of_range.columns), 2), em.UNSEEN)
    rows = slice(of_range.first_row, of_range.first_row + len(of_range.row_offsets) - 1)
    forward, reverse = factors.forward[rows], factors.reverse
    freeze(of_range.row_offsets, of_range.columns, counts, forward, reverse)
    table = np.empty((len(of_range.columns), 2))
    em.maximize(of_range.row_offsets, of_range.columns, counts, forward, reverse, alpha, table)
    return table


def finish(
    r: int,
    counts: Counts | None,
    of_range: Range,
    factors: Factors,
    alpha: float,
    keep_part: Callable[[int, Part], Any],
) -> Any:
    """Hand the last table of a range on."""
    table = range_table(counts, of_range, factors, alpha)
    return keep_part(r, Part(of_range.first_row, of_range.row_offsets, of_range.columns, table))


def describe(
    iteration: int,
    statistics: Sequence[NDArray[np.int64]],
    tensions: Sequence[float],
    lengths: NDArray[np.int64],
    frequencies: Counts,
) -> list[IterationReport]:
    """What an iteration saw, forward and reverse."""
    reports = []
    for direction, name in enumerate(("forward", "reverse")):
        likelihood, to_null, _ = np.sum(statistics, axis=0)[direction].tolist()
        num_tokens = int((lengths[:, direction] * frequencies).sum())
        cross_entropy = -likelihood / em.LIKELIHOOD_SCALE / np.log(2) / num_tokens
        null_share = to_null / em.COUNT_SCALE / num_tokens
        perplexity = float(2.0**cross_entropy)
        reports.append(IterationReport(name, iteration, cross_entropy, perplexity, null_share, tensions[direction]))
    return reports
