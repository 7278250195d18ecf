"""Grouping, merging and looking up word pairs, each against plain dictionaries."""

import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weam_ray.align.fast_align.pairs import SPREAD, add_counts, group_pairs, look_up, merge_rows, positions_by_word
from weam_ray.store.arrays import freeze

NUM_SOURCE, NUM_TARGET = 6, 5

source_sentences = st.lists(st.integers(0, NUM_SOURCE - 1), min_size=1, max_size=5)
target_sentences = st.lists(st.integers(0, NUM_TARGET - 1), min_size=1, max_size=5)
table_rows = st.dictionaries(st.integers(0, NUM_SOURCE - 1), st.sets(st.integers(0, NUM_TARGET - 1), min_size=1))


def flat(sentences: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    words = np.array([word for sentence in sentences for word in sentence], np.int32)
    offsets = np.cumsum([0, *(len(sentence) for sentence in sentences)]).astype(np.int64)
    freeze(words, offsets)
    return words, offsets


@settings(deadline=None)
@given(st.lists(st.integers(0, 6)))
def test_positions_by_word(words: list[int]) -> None:
    array = np.array(words, np.int32)
    freeze(array)
    positions, offsets = positions_by_word(array, 7)
    assert [positions[offsets[w] : offsets[w + 1]].tolist() for w in range(7)] == [
        [position for position, word in enumerate(words) if word == w] for w in range(7)
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(source_sentences, target_sentences), max_size=5))
def test_group_pairs(pairs: list[tuple[list[int], list[int]]]) -> None:
    source, target = flat([pair[0] for pair in pairs]), flat([pair[1] for pair in pairs])
    rows, columns, cells, cell_offsets = group_pairs(*source, *target, NUM_SOURCE, NUM_TARGET)
    met: dict[int, list[int]] = defaultdict(list)
    for ours, theirs in pairs:
        for e in ours:
            met[e] += [f for f in dict.fromkeys(theirs) if f not in met[e]]
    assert [columns[rows[e] : rows[e + 1]].tolist() for e in range(NUM_SOURCE)] == [met[e] for e in range(NUM_SOURCE)]
    assert cell_offsets.tolist() == np.cumsum([0, *(len(ours) * len(theirs) for ours, theirs in pairs)]).tolist()
    owners = np.repeat(np.arange(NUM_SOURCE), np.diff(rows))
    found = [(owners[cell], columns[cell]) for cell in cells]
    assert found == [(e, f) for ours, theirs in pairs for e in ours for f in theirs]


@settings(deadline=None)
@given(st.lists(table_rows, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_merge_rows_and_add_counts(shards: list[dict[int, set[int]]], generator: random.Random) -> None:
    """Rows of a shard rise; the columns of a row are in any order."""
    given_pairs: list[list[tuple[int, int]]] = []
    for shard in shards:
        pairs = []
        for e in sorted(shard):
            columns = sorted(shard[e])
            generator.shuffle(columns)
            pairs += [(e, f) for f in columns]
        given_pairs.append(pairs)
    every = [pair for pairs in given_pairs for pair in pairs]
    numbers = np.array([e for shard in shards for e in sorted(shard)], np.int32)
    lengths = np.array([len(shard[e]) for shard in shards for e in sorted(shard)], np.int64)
    columns = np.array([f for _, f in every], np.int32)
    offsets, merged, places = merge_rows(numbers, lengths, columns, NUM_SOURCE, NUM_TARGET)
    expected = [sorted({f for e, f in every if e == row}) for row in range(NUM_SOURCE)]
    assert [merged[offsets[e] : offsets[e + 1]].tolist() for e in range(NUM_SOURCE)] == expected
    owners = np.repeat(np.arange(NUM_SOURCE), np.diff(offsets))
    assert [(owners[place], merged[place]) for place in places] == every

    counts = np.zeros((len(merged), 2), np.int64)
    begin = 0
    for pairs in given_pairs:
        own_places = places[begin : begin + len(pairs)]
        begin += len(pairs)
        own_counts = np.array([[10 * e + f, 2**40 + f] for e, f in pairs], np.int64).reshape(-1, 2)
        freeze(own_places, own_counts)
        add_counts(own_places, own_counts, counts)
    for place, (e, f) in enumerate(zip(owners.tolist(), merged.tolist(), strict=True)):
        times = every.count((e, f))
        assert counts[place].tolist() == [times * (10 * e + f), times * (2**40 + f)]


def look_up_all(
    table: dict[tuple[int, int], tuple[float, float]],
    num_rows: int,
    num_columns: int,
    cuts: list[int],
    asked: list[tuple[int, list[int]]],
    target_numbers: np.ndarray,
    garbage: int,
) -> np.ndarray:
    """Values of the asked pairs, (number of source word, columns), from the table cut into parts at rows `cuts`."""
    source_numbers = np.array([number for number, _ in asked], np.int32)
    columns, row_offsets = flat([columns for _, columns in asked])
    values = np.full((len(columns), 2), -1.0)
    places = np.full(num_columns, garbage, np.int32)
    for first, last in zip([0, *cuts], [*cuts, num_rows], strict=True):
        rows = [sorted(f for e, f in table if e == row) for row in range(first, last)]
        table_columns, table_offsets = flat(rows)
        entries = [table[first + row, f] for row, columns_of in enumerate(rows) for f in columns_of]
        part = np.array(entries, np.float64).reshape(-1, 2)
        freeze(part)
        look_up(
            source_numbers,
            target_numbers,
            row_offsets,
            columns,
            first,
            table_offsets,
            table_columns,
            part,
            places,
            values,
        )
    return values


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1), st.booleans())
def test_look_up(seed: int, garbage: int, dense: bool) -> None:
    """Rows of up to 80 columns of which one to six are asked for: both ways of looking up; half the words unknown."""
    generator = np.random.default_rng(seed)
    num_rows, num_columns, num_own = 6, 80, 12
    filled = generator.random((num_rows, num_columns)) < (0.95 if dense else 0.2)
    table = {(int(e), int(f)): (e + f / 100, -e - f / 100) for e, f in np.argwhere(filled)}
    own_numbers = generator.choice(num_columns, num_own, replace=False).astype(np.int32)
    target_numbers = np.where(generator.random(num_own) < 0.5, own_numbers, -1).astype(np.int32)
    asked = []
    for number in sorted(generator.choice(num_rows, 4, replace=False).tolist()):
        columns = generator.permutation(num_own)[: generator.integers(1, 7)].tolist()
        asked.append((number if generator.random() < 0.8 else -1, columns))
    cuts = sorted(generator.integers(0, num_rows + 1, 2).tolist())
    found = look_up_all(table, num_rows, num_columns, cuts, asked, target_numbers, garbage)
    expected = [table.get((e, int(target_numbers[f])), (-1.0, -1.0)) for e, columns in asked for f in columns]
    assert found.tolist() == [list(entry) for entry in expected]


@pytest.mark.parametrize("size", [1, SPREAD, SPREAD + 1, 1000])
def test_look_up_at_the_border_of_spreading(size: int) -> None:
    """One column is asked for, in a row of exactly as many columns as are spread out, or one more."""
    num_columns = 2 * size + 1
    table = {(0, f): (f + 0.5, f + 0.25) for f in range(1, num_columns, 2)}
    everything = np.arange(num_columns, dtype=np.int32)
    for column in {0, 1, size, size - 1, num_columns - 2, num_columns - 1}:
        for garbage in (0, -1, size, 2**31 - 1):
            found = look_up_all(table, 1, num_columns, [], [(0, [column])], everything, garbage)
            assert found.tolist() == [list(table.get((0, column), (-1.0, -1.0)))]


def test_look_up_of_places_left_by_another_row() -> None:
    """The first row leaves its places behind; the second lacks those columns."""
    table = {(0, f): (1.0, 1.0) for f in range(4)} | {(1, f): (2.0, 2.0) for f in range(4, 6)}
    everything = np.arange(8, dtype=np.int32)
    found = look_up_all(table, 2, 8, [], [(0, [0, 1, 2, 3]), (1, [0, 1, 4, 5, 6])], everything, 0)
    assert found[:, 0].tolist() == [1, 1, 1, 1, -1, -1, 2, 2, -1]
