"""The batch plan: every row once an epoch, whatever the workers, and any batch without those before it."""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weam_ray.batches.order import BatchPlan, PlannedRow, ShardRows
from weam_ray.corpus.readers.bundled import BUNDLED_FILE
from weam_ray.corpus.words import word_spans


def make_plan(shards: Sequence[tuple[int, str]], batch_size: int, seed: int = 1, temperature: float = 1.0) -> BatchPlan:
    """A plan over shards of (rows, language pair) whose rows have lengths of chance."""
    generator = np.random.default_rng(7)
    lengths = [generator.integers(2, 120, rows).astype(np.int32) for rows, _ in shards]
    return BatchPlan([ShardRows(*shard) for shard in shards], lengths.__getitem__, batch_size, seed, temperature)


def length_of(plan: BatchPlan, row: PlannedRow) -> int:
    return int(plan.lengths(row.shard)[row.index])


SHARDS = [(70, "en-de"), (31, "en-fr"), (70, "en-de"), (0, "en-fr"), (9, "en-de"), (12, "en-tl")]

arguments = st.tuples(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["en-de", "en-fr", "en-tl"])), min_size=1, max_size=5
    ).filter(lambda shards: any(rows for rows, _ in shards)),
    st.integers(1, 20),
    st.integers(0, 2**31),
    st.sampled_from([1.0, 2.0, 5.0]),
)
plans = arguments.map(lambda values: make_plan(*values))


class TestAnyPlan:
    @settings(deadline=None)
    @given(plans, st.integers(0, 300))
    def test_a_batch_has_its_size(self, plan: BatchPlan, step: int) -> None:
        assert len(plan.batch(step)) == plan.batch_size

    @settings(deadline=None)
    @given(plans, st.integers(0, 300))
    def test_rows_are_where_they_say(self, plan: BatchPlan, step: int) -> None:
        for row in plan.batch(step):
            assert 0 <= row.index < plan.shards[row.shard].rows
            assert row.row == sum(shard.rows for shard in plan.shards[: row.shard]) + row.index
            assert row.epoch >= 0

    @settings(deadline=None)
    @given(plans, st.integers(1, 4))
    def test_an_epoch_visits_each_row_once(self, plan: BatchPlan, num_windows: int) -> None:
        """All epochs of a language pair but the one under way are whole, and no row comes twice in any."""
        visits: Counter[tuple[str, int]] = Counter()
        seen: Counter[tuple[int, int]] = Counter()
        for step in range(num_windows * plan.window_batches):
            for row in plan.batch(step):
                visits[plan.shards[row.shard].language_pair, row.epoch] += 1
                seen[row.row, row.epoch] += 1
        assert set(seen.values()) == {1}
        for number, pair in enumerate(plan.pairs):
            epochs = [visits[key] for key in sorted(visits) if key[0] == pair]
            assert all(count == plan.sizes[number] for count in epochs[:-1])
            assert not epochs or 0 < epochs[-1] <= plan.sizes[number]

    @settings(deadline=None)
    @given(arguments, st.lists(st.integers(0, 200), min_size=1, max_size=6))
    def test_any_batch_without_those_before_it(
        self, values: tuple[list[tuple[int, str]], int, int, float], steps: list[int]
    ) -> None:
        """The batches of one plan, asked in any order, are those of plans that are asked one thing only."""
        plan = make_plan(*values)
        assert [plan.batch(step) for step in steps] == [make_plan(*values).batch(step) for step in steps]

    @settings(deadline=None)
    @given(plans, st.integers(0, 50))
    def test_shares_of_windows_add_up(self, plan: BatchPlan, last: int) -> None:
        size = plan.window_batches * plan.batch_size
        shares = [plan.shares(window, window + 1) for window in range(last)]
        assert all(share.sum() == size for share in shares)
        assert sum(shares, np.zeros(len(plan.pairs), np.int64)).tolist() == plan.shares(0, last).tolist()


class TestOrder:
    def test_seeds_and_epochs_differ(self) -> None:
        plan, other = make_plan(SHARDS, 8), make_plan(SHARDS, 8, seed=2)
        steps = range(plan.window_batches)
        assert [plan.batch(step) for step in steps] != [other.batch(step) for step in steps]
        first, second = (
            [row.row for step in range(24) for row in plan.batch(start + step)] for start in (0, plan.window_batches)
        )
        assert first != second

    def test_rows_of_an_epoch_are_shuffled(self) -> None:
        """Shards come in another order each epoch, and so do the rows of each shard."""
        plan = make_plan([(40, "en-de")] * 6, 16)
        epochs = [plan.take(0, epoch * 240, 240) for epoch in range(4)]
        assert len({tuple(dict.fromkeys(row.shard for row in rows)) for rows in epochs}) > 1
        assert len({tuple(row.index for row in rows if row.shard == 0) for rows in epochs}) == 4
        for rows in epochs:
            indices = [row.index for row in rows if row.shard == 3]
            assert sorted(indices) == list(range(40))
            assert indices != sorted(indices)

    def test_a_batch_mixes_the_language_pairs(self) -> None:
        """Rows of one length come in an order of chance, not pair by pair."""
        shards = [ShardRows(300, "en-de"), ShardRows(300, "en-fr")]
        plan = BatchPlan(shards, lambda _: np.full(300, 10, np.int32), 20, seed=1)
        mixed = [len({row.shard for row in plan.batch(step)}) for step in range(30)]
        assert sum(count == 2 for count in mixed) >= 29

    def test_windows_are_sorted_and_batches_shuffled(self) -> None:
        """Each batch falls in length; sorted, the batches of a window do not overlap; as they come, they are mixed."""
        plan = make_plan(SHARDS, 8)
        assert plan.window_batches == 192 // 8
        batches = [[length_of(plan, row) for row in plan.batch(step)] for step in range(plan.window_batches)]
        assert all(lengths == sorted(lengths, reverse=True) for lengths in batches)
        ordered = sorted(batches, reverse=True)
        assert all(one[-1] >= other[0] for one, other in itertools.pairwise(ordered))
        assert batches != ordered
        assert batches != ordered[::-1]

    def test_padding_of_the_bundled_corpus(self) -> None:
        """Micro-batches of 8 of the bundled verses, their words as lengths: under a tenth is padding."""
        verses = pq.read_table(BUNDLED_FILE, columns=["en", "de"]).to_pylist()
        lengths = np.array([sum(len(word_spans(text)) for text in row.values()) for row in verses], np.int32)
        plan = BatchPlan([ShardRows(len(lengths), "en-de")], lambda _: lengths, 32, seed=1)
        used = room = 0
        for step in range(plan.window_batches):
            planned = [length_of(plan, row) for row in plan.batch(step)]
            for start in range(0, 32, 8):
                micro_batch = planned[start : start + 8]
                used += sum(micro_batch)
                room += max(micro_batch) * len(micro_batch)
        assert used / room > 0.9


class TestShares:
    @pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
    def test_temperature(self, temperature: float) -> None:
        """A pair of n rows has n^(1/T) of the rows: in every window to one row, over many without drift."""
        plan = make_plan([(1000, "en-de"), (200, "en-fr"), (30, "en-tl")], 10, temperature=temperature)
        weights = np.array([1000, 200, 30]) ** (1 / temperature)
        size = plan.window_batches * plan.batch_size
        expected = weights / weights.sum() * size
        for window in range(50):
            assert np.abs(plan.shares(window, window + 1) - expected).max() <= 1
        assert np.abs(plan.shares(0, 500) - 500 * expected).max() < 10

    def test_batches_hold_the_shares(self) -> None:
        plan = make_plan([(1000, "en-de"), (200, "en-fr")], 10, temperature=3.0)
        for window in range(3):
            steps = range(window * plan.window_batches, (window + 1) * plan.window_batches)
            counts = Counter(plan.shards[row.shard].language_pair for step in steps for row in plan.batch(step))
            assert [counts[pair] for pair in plan.pairs] == plan.shares(window, window + 1).tolist()

    def test_a_rare_pair_is_not_forgotten(self) -> None:
        """Three rows in ten thousand have less than one place in a window, and come all the same."""
        plan = make_plan([(9_997, "en-de"), (3, "en-tl")], 8)
        assert 0 < plan.shares(0, 40)[1] <= 40 * 800 * 3 / 10_000 + 1


class TestSmallCorpora:
    def test_smaller_than_a_batch(self) -> None:
        """Five rows, batches of twelve: rows come several times, each time of another epoch, and all alike often."""
        plan = make_plan([(3, "en-de"), (2, "en-de")], 12)
        assert plan.window_batches == 1
        batches = [plan.batch(step) for step in range(10)]
        assert all(len(set(batch)) == len(batch) == 12 for batch in batches)
        assert Counter(row.row for batch in batches for row in batch) == dict.fromkeys(range(5), 24)

    def test_one_row(self) -> None:
        plan = make_plan([(0, "en-fr"), (1, "en-de")], 4)
        epochs = [row.epoch for step in range(5) for row in sorted(plan.batch(step), key=lambda row: row.epoch)]
        assert epochs == list(range(20))

    def test_no_rows(self) -> None:
        with pytest.raises(AssertionError, match="no rows to plan"):
            make_plan([(0, "en-de")], 4)
