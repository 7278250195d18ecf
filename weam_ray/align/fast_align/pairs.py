"""Co-occurring word pairs as integers: which words stand beside which, and the place of each in a table.

Sentences lie one after another in flat arrays of word numbers, sentence s in `[offsets[s], offsets[s + 1])`. The cell
(i, j) of sentence s, its source word i beside its target word j, is number `cell_offsets[s] + i * m + j`; `cells` maps
every cell to the place of its word pair. Pairs are grouped by source word, by counting, never by a general sort.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weam_ray.store.arrays import freeze

Words = NDArray[np.int32]
Offsets = NDArray[np.int64]

NEVER = -1
SPREAD = 24  # how many columns are spread out for one that is asked for, at most


@njit(cache=True, nogil=True)
def positions_by_word(words, num_words):
    """Positions of each word in rising order, and where each word's positions begin: a counting sort."""
    offsets = np.zeros(num_words + 1, np.int64)
    for word in words:
        offsets[word + 1] += 1
    for word in range(num_words):
        offsets[word + 1] += offsets[word]
    place = offsets[:-1].copy()
    positions = np.empty(len(words), np.int32)
    for position in range(len(words)):
        word = words[position]
        positions[place[word]] = position
        place[word] += 1
    return positions, offsets


def group_pairs(
    source: Words, source_offsets: Offsets, target: Words, target_offsets: Offsets, num_source: int, num_target: int
) -> tuple[Offsets, Words, Words, Offsets]:
    """The distinct word pairs of some sentences, grouped by source word, each row in the order of first meeting.

    Returns:
        row offsets (num_source + 1), target word of each pair, the pair of each cell, and cell offsets.
    """
    lengths = np.diff(source_offsets)
    cell_offsets = np.concatenate([[0], np.cumsum(lengths * np.diff(target_offsets))])
    sentences = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    rows = np.zeros(num_source + 1, np.int64)
    # numpy asks for large pages, which a compiled function does not: half the time of this step
    cells = np.empty(cell_offsets[-1], np.int32)
    columns = np.empty(cell_offsets[-1], np.int32)  # as many as there can be; memory that is not touched costs nothing
    latest = np.full(num_target, NEVER, np.int32)
    num_pairs = _group(
        *positions_by_word(source, num_source),
        sentences,
        source_offsets,
        target,
        target_offsets,
        cell_offsets,
        rows,
        cells,
        columns,
        latest,
    )
    columns = columns[:num_pairs].copy()
    freeze(rows, columns, cells, cell_offsets)
    return rows, columns, cells, cell_offsets


@njit(cache=True, nogil=True)
def _group(
    positions,
    word_offsets,
    sentences,
    source_offsets,
    target,
    target_offsets,
    cell_offsets,
    rows,
    cells,
    columns,
    latest,
):
    """Fill rows, cells and columns; `latest` is the latest pair of each target word. Returns the number of pairs."""
    num_pairs = 0
    for e in range(len(word_offsets) - 1):
        first = num_pairs
        for k in range(word_offsets[e], word_offsets[e + 1]):
            position = positions[k]
            s = sentences[position]
            begin = target_offsets[s]
            m = target_offsets[s + 1] - begin
            base = cell_offsets[s] + (position - source_offsets[s]) * m
            for j in range(m):
                f = target[begin + j]
                pair = latest[f]
                if pair < first:
                    pair = num_pairs
                    latest[f] = pair
                    columns[pair] = f
                    num_pairs += 1
                cells[base + j] = pair
        rows[e + 1] = num_pairs
    return num_pairs


@njit(cache=True, nogil=True)
def merge_rows(row_numbers, row_lengths, columns, num_rows, num_columns):
    """One table of the rows that several shards have of a range of source words.

    Args:
        row_numbers, row_lengths: for each row of each shard, one after another, its number in the range and length.
        columns: the target words of all those rows.

    Returns:
        row offsets (num_rows + 1), columns in rising order within each row, and the place of each given pair in them.

    Pairs are visited by rising target word (a counting sort), so every row grows sorted.
    """
    owner = np.empty(len(columns), np.int32)
    at = 0
    for k in range(len(row_numbers)):
        owner[at : at + row_lengths[k]] = row_numbers[k]
        at += row_lengths[k]
    visits, _ = positions_by_word(columns, num_columns)
    newest = np.full(num_rows, NEVER, np.int32)
    offsets = np.zeros(num_rows + 1, np.int64)
    for given in visits:
        row = owner[given]
        if newest[row] != columns[given]:
            newest[row] = columns[given]
            offsets[row + 1] += 1
    for row in range(num_rows):
        offsets[row + 1] += offsets[row]
    merged = np.empty(offsets[-1], np.int32)
    places = np.empty(len(columns), np.int32)
    filled = offsets[:-1].copy()
    newest[:] = NEVER
    for given in visits:
        row = owner[given]
        if newest[row] != columns[given]:
            newest[row] = columns[given]
            merged[filled[row]] = columns[given]
            filled[row] += 1
        places[given] = filled[row] - 1
    return offsets, merged, places


@njit(cache=True, nogil=True)
def look_up(
    source_numbers, target_numbers, row_offsets, columns, first_row, table_offsets, table_columns, table, places, values
):
    """Copy what a part of a sorted table says of some word pairs into `values`, (pairs, 2).

    Args:
        source_numbers, target_numbers: what the words of the rows and columns are called in the table, -1 for unknown.
        row_offsets, columns: the word pairs, as of `group_pairs`.
        first_row, table_offsets, table_columns, table: the part: its first row, its rows, each rising; (pairs, 2).
        places: int32 of any value, one for each column of the table, to work with.

    Pairs that the part does not hold are left as they are. A row of which many columns are asked for is spread out
    over `places`, one of which few are asked for is searched: a frequent word's row may be longer than all the rest.
    """
    last_row = first_row + len(table_offsets) - 1
    for row in range(len(row_offsets) - 1):
        number = source_numbers[row]
        if number < first_row or number >= last_row:
            continue
        begin = table_offsets[number - first_row]
        end = table_offsets[number - first_row + 1]
        spread = end - begin <= SPREAD * (row_offsets[row + 1] - row_offsets[row])
        if spread:
            for place in range(begin, end):
                places[table_columns[place]] = place - begin
        for pair in range(row_offsets[row], row_offsets[row + 1]):
            f = target_numbers[columns[pair]]
            if f < 0:
                continue
            low = begin
            if spread:
                low += min(np.int64(np.uint32(places[f])), end - begin)
            else:
                high = end
                while low < high:
                    middle = (low + high) >> 1
                    if table_columns[middle] < f:
                        low = middle + 1
                    else:
                        high = middle
            if low < end and table_columns[low] == f:
                values[pair, 0] = table[low, 0]
                values[pair, 1] = table[low, 1]


@njit(cache=True, nogil=True)
def add_counts(places, given, counts):
    """Add the counts (pairs, 2) of a shard to those of a table, each at its place."""
    for pair in range(len(places)):
        place = places[pair]
        counts[place, 0] += given[pair, 0]
        counts[place, 1] += given[pair, 1]


@njit(cache=True, nogil=True)
def take_rows(table, places, taken):
    """Copy the rows of a table (pairs, 2) at some places."""
    for pair in range(len(places)):
        place = places[pair]
        taken[pair, 0] = table[place, 0]
        taken[pair, 1] = table[place, 1]
