"""Batches: the frame of a pair, truncation, the exchange map, and that a row knows nothing of its batch."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.conftest import TEXTS
from tests.support.rows import (
    BERT,
    CLS,
    FIRST_ORDINARY,
    MASK,
    NUM_TOKENS,
    ROBERTA,
    SEP,
    Row,
    collators,
    encoded_rows,
    is_swapped,
    make_collator,
    make_row,
    originals,
)
from weam_ray.batches.batch import Vocabulary
from weam_ray.batches.pairs import PairCollator, truncated_lengths
from weam_ray.corpus.tables import ENCODED
from weam_ray.encode.rows import EncodedShard, RowKey
from weam_ray.errors import UserError
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection


class TestAnyBatch:
    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=1, max_size=4), collators)
    def test_exchange_is_an_involution_between_the_sentences(self, rows: list[Row], collator: PairCollator) -> None:
        batch = collator(rows)
        size, length = batch.input_ids.shape
        identity = np.tile(np.arange(length), (size, 1))
        assert_array_equal(np.take_along_axis(batch.exchange, batch.exchange, axis=1), identity)
        num_links = 0
        for number, (key, row) in enumerate(rows):
            pair = collator.concatenate(key, row)
            first, second = set(range(*pair.first)), set(range(*pair.second))
            moved = np.flatnonzero(batch.exchange[number] != identity[number])
            for position in moved:
                partner = batch.exchange[number, position]
                assert {position in first, partner in first} == {True, False}
                assert {position in second, partner in second} == {True, False}
            num_links += len(moved) // 2
        assert num_links + batch.lost_links == sum(len(row.token_links) for _, row in rows)

    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=1, max_size=4), collators)
    def test_links_join_the_linked_tokens(self, rows: list[Row], collator: PairCollator) -> None:
        """A swap joins the two tokens that a link names: its own positions, shifted into the frame."""
        batch = collator(rows)
        for number, (key, row) in enumerate(rows):
            pair = collator.concatenate(key, row)
            start, other = pair.first[0], pair.second[0]
            links = row.token_links[:, ::-1] if is_swapped(collator, key) else row.token_links
            for i, j in links.tolist():
                if start + i < pair.first[1] and other + j < pair.second[1]:
                    assert batch.exchange[number, start + i] == other + j
                    assert batch.exchange[number, other + j] == start + i

    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=1, max_size=4), collators)
    def test_shapes_lengths_and_counts(self, rows: list[Row], collator: PairCollator) -> None:
        batch = collator(rows)
        size, length = batch.input_ids.shape
        assert size == len(rows)
        assert length <= collator.max_length
        for array in (batch.attention_mask, batch.token_type_ids, batch.exchange):
            assert array.shape == (size, length)
        assert batch.attention_mask[:, -1].any()
        assert (np.diff(batch.attention_mask, axis=1) <= 0).all()
        assert (batch.input_ids[batch.attention_mask == 0] == collator.vocabulary.pad_id).all()
        given_tokens = sum(len(row.source_ids) + len(row.target_ids) for _, row in rows)
        num_special = collator.vocabulary.template.num_special
        assert batch.num_tokens == given_tokens - batch.lost_tokens + size * num_special
        for number, (_, row) in enumerate(rows):
            tokens = len(row.source_ids) + len(row.target_ids)
            used = int(batch.attention_mask[number].sum())
            assert used == min(tokens + num_special, collator.max_length)

    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=1, max_size=4), collators)
    def test_masks(self, rows: list[Row], collator: PairCollator) -> None:
        """Only ordinary tokens of the sentences are masked, each once; the labels are what stood there."""
        batch = collator(rows)
        assert (np.diff(batch.masked) > 0).all()
        assert len(batch.masked) == len(batch.labels)
        length = batch.input_ids.shape[1]
        allowed, ids = set(), np.full(batch.input_ids.shape, collator.vocabulary.pad_id)
        for number, (key, row) in enumerate(rows):
            pair = collator.concatenate(key, row)
            ids[number, : len(pair.ids)] = pair.ids
            allowed |= {number * length + k for k in (*range(*pair.first), *range(*pair.second))}
        assert set(batch.masked.tolist()) <= allowed
        assert_array_equal(originals(batch), ids)
        changed = batch.input_ids.ravel()[batch.masked]
        assert set(changed.tolist()) <= {MASK, *range(FIRST_ORDINARY, NUM_TOKENS)}

    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=2, max_size=5), collators, st.data())
    def test_a_row_knows_nothing_of_its_batch(
        self, rows: list[Row], collator: PairCollator, data: st.DataObject
    ) -> None:
        """Masks, order and links of a row are the same alone, in any batch, at any place."""
        order = data.draw(st.permutations(range(len(rows))))
        batch = collator([rows[k] for k in order])
        length = batch.input_ids.shape[1]
        for place, number in enumerate(order):
            alone = collator([rows[number]])
            size = alone.input_ids.shape[1]
            assert_array_equal(batch.input_ids[place, :size], alone.input_ids[0])
            assert_array_equal(batch.exchange[place, :size], alone.exchange[0])
            assert_array_equal(batch.exchange[place, size:], np.arange(size, length))
            inside = (batch.masked >= place * length) & (batch.masked < (place + 1) * length)
            assert_array_equal(batch.masked[inside] - place * length, alone.masked)
            assert_array_equal(batch.labels[inside], alone.labels)


class TestFrame:
    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
    def test_batch_is_what_the_tokenizer_gives(self, request: pytest.FixtureRequest, kind: str) -> None:
        """With its masks taken back, a batch is `tokenizer(xs, ys, padding=True)`."""
        tokenizer = request.getfixturevalue(kind)
        vocabulary = Vocabulary.of(tokenizer)
        sources, targets = TEXTS[:4], TEXTS[5:]
        rows = []
        for number, (x, y) in enumerate(zip(sources, targets, strict=True)):
            ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (x, y)]
            rows.append((RowKey(0, number), make_row(*ids)))
        batch = make_collator(vocabulary, max_length=512, sentence_order="fixed")(rows)
        expected = tokenizer(sources, targets, padding=True, return_token_type_ids=True)
        assert originals(batch).tolist() == expected["input_ids"]
        assert batch.attention_mask.tolist() == expected["attention_mask"]
        real = batch.attention_mask == 1
        assert_array_equal(batch.token_type_ids[real], np.array(expected["token_type_ids"])[real])
        assert (batch.lost_tokens, batch.lost_links) == (0, 0)
        special = np.isin(originals(batch).ravel()[batch.masked], tokenizer.all_special_ids)
        unknown = originals(batch).ravel()[batch.masked] == tokenizer.unk_token_id
        assert_array_equal(special, unknown)

    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
    def test_ordinary_ids(self, request: pytest.FixtureRequest, kind: str) -> None:
        tokenizer = request.getfixturevalue(kind)
        vocabulary = Vocabulary.of(tokenizer)
        assert set(vocabulary.ordinary_ids.tolist()) == set(range(len(tokenizer))) - set(tokenizer.all_special_ids)
        assert (vocabulary.pad_id, vocabulary.mask_id) == (tokenizer.pad_token_id, tokenizer.mask_token_id)

    def test_by_hand(self) -> None:
        """[CLS] 10 11 12 [SEP] 20 21 [SEP], links 0-1 and 2-0: positions 1-6 and 3-5."""
        row = make_row([10, 11, 12], [20, 21], [(0, 1), (2, 0)])
        batch = make_collator(sentence_order="fixed")([(RowKey(0, 0), row)])
        assert originals(batch).tolist() == [[CLS, 10, 11, 12, SEP, 20, 21, SEP]]
        assert batch.token_type_ids.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]
        assert batch.exchange.tolist() == [[0, 6, 2, 5, 4, 3, 1, 7]]

    def test_other_order_by_hand(self) -> None:
        row = make_row([10, 11, 12], [20, 21], [(0, 1), (2, 0)])
        collator = make_collator(ROBERTA)
        key = next(RowKey(0, number) for number in range(100) if is_swapped(collator, RowKey(0, number)))
        batch = collator([(key, row)])
        assert originals(batch).tolist() == [[CLS, 20, 21, SEP, SEP, 10, 11, 12, SEP]]
        assert batch.exchange.tolist() == [[0, 7, 5, 3, 4, 2, 6, 1, 8]]


class TestSentenceOrder:
    def test_fixed(self) -> None:
        collator = make_collator(sentence_order="fixed")
        assert not any(is_swapped(collator, RowKey(epoch, row)) for epoch in range(3) for row in range(100))

    def test_coin(self) -> None:
        """Fair within five standard deviations, and thrown anew for each row, epoch and seed."""
        collator = make_collator()
        coins = [[is_swapped(collator, RowKey(epoch, row)) for row in range(1000)] for epoch in range(2)]
        assert 420 < sum(coins[0]) < 580
        assert 420 < sum(one != other for one, other in zip(*coins, strict=True)) < 580
        other = PairCollator(BERT, ObjectiveSection(), SeedSection(data=99), 64)
        assert 420 < sum(is_swapped(other, RowKey(0, row)) != coins[0][row] for row in range(1000)) < 580

    def test_coin_does_not_hang_on_the_masking_seed(self) -> None:
        one, other = make_collator(), make_collator(masking_seed=77)
        keys = [RowKey(1, row) for row in range(200)]
        assert [is_swapped(one, key) for key in keys] == [is_swapped(other, key) for key in keys]


class TestTruncation:
    @given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 400))
    @settings(deadline=None)
    def test_one_by_one_from_the_longer_side(self, first: int, second: int, limit: int) -> None:
        expected = [first, second]
        while sum(expected) > limit:
            expected[0 if expected[0] > expected[1] else 1] -= 1
        assert truncated_lengths(first, second, limit) == tuple(expected)

    def test_longer_side_loses_its_end(self) -> None:
        """12 positions, 3 special: the nine tokens that stay are the first 5 of ten, and all 4 of the other."""
        row = make_row(range(10, 20), range(20, 24), [(0, 0), (4, 1), (5, 2), (9, 3)])
        batch = make_collator(max_length=12, sentence_order="fixed")([(RowKey(0, 0), row)])
        assert originals(batch).tolist() == [[CLS, 10, 11, 12, 13, 14, SEP, 20, 21, 22, 23, SEP]]
        assert (batch.lost_tokens, batch.lost_links) == (5, 2)
        assert batch.exchange.tolist() == [[0, 7, 2, 3, 4, 8, 6, 1, 5, 9, 10, 11]]

    def test_counts_are_summed_over_the_batch(self) -> None:
        row = make_row(range(10, 20), range(20, 24), [(0, 0), (4, 1), (5, 2), (9, 3)])
        batch = make_collator(max_length=12)([(RowKey(0, number), row) for number in range(6)])
        assert batch.lost_tokens == 6 * 5
        assert batch.lost_links == 6 * 2

    def test_whole_word_masking_of_a_truncated_row(self) -> None:
        words = [0] * 10
        rows = [(RowKey(0, k), make_row(range(10, 20), range(20, 30), (), words, words)) for k in range(50)]
        batch = make_collator(max_length=12, masking="whole_word", mask_probability=0.5)(rows)
        counts = np.bincount(batch.masked // 12, minlength=50)
        assert set(counts.tolist()) == {0, 4, 5, 9}


class TestEncodedShard:
    @pytest.mark.parametrize("side", ["source", "target"])
    def test_links_of_an_earlier_version(self, side: str) -> None:
        """A link beyond the numbers of int16 was written as another: a sentence, not an index out of bounds."""
        size = 2**15 + 1
        rows = {
            "pair_id": ["0:1", "0:2"],
            "source_lang": ["en"] * 2,
            "target_lang": ["xx"] * 2,
            **{f"{own}_ids": [[5], [5] * (size if own == side else 1)] for own in ("source", "target")},
            **{f"{own}_word_ids": [[0], [0] * (size if own == side else 1)] for own in ("source", "target")},
            "token_links": [[0, 0], [-32_768, 0]],
            "num_tokens": [2, size + 1],
        }
        table = pa.table(rows, schema=ENCODED)
        with pytest.raises(UserError, match=rf"^The encoded pair 0:2 of en-xx has {size} tokens on one side, and its"):
            EncodedShard(table)
        EncodedShard(table.set_column(7, "token_links", pa.array([[0, 0], []], ENCODED.field("token_links").type)))

    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=1, max_size=5), st.data())
    def test_rows(self, rows: list[Row], data: st.DataObject) -> None:
        """Rows come back as they were written, also from a table that begins in the middle of its buffers."""
        entries = [
            {
                "pair_id": str(number),
                "source_lang": "en",
                "target_lang": "xx",
                "source_ids": row.source_ids.tolist(),
                "target_ids": row.target_ids.tolist(),
                "source_word_ids": row.source_word_ids.tolist(),
                "target_word_ids": row.target_word_ids.tolist(),
                "token_links": row.token_links.ravel().tolist(),
                "num_tokens": len(row.source_ids) + len(row.target_ids),
            }
            for number, (_, row) in enumerate(rows)
        ]
        table = pa.Table.from_pylist(entries, schema=ENCODED)
        first = data.draw(st.integers(0, len(rows) - 1))
        shard = EncodedShard(table.slice(first))
        assert len(shard) == len(rows) - first
        for number, (_, expected) in enumerate(rows[first:]):
            row = shard.row(number)
            for name in ("source_ids", "target_ids", "source_word_ids", "target_word_ids", "token_links"):
                assert_array_equal(getattr(row, name), getattr(expected, name))
            assert shard.num_tokens[number] == len(expected.source_ids) + len(expected.target_ids)
