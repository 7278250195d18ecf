"""Batches of sentences that stand alone: frames, masks, places of aligned words, anchors."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rows import BERT, CLS, MASK, SEP, Row, encoded_rows, make_collator, make_row, originals
from weam_ray.batches.batch import Batch
from weam_ray.batches.sentences import SentenceCollator, WordCollator, word_ends
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection

SIDE_BY_SIDE = replace(BERT, packs=True)
maskings = st.sampled_from(["subword", "whole_word", "aligned"])


def sentences(max_length: int = 64, **objective: object) -> SentenceCollator:
    return SentenceCollator(BERT, ObjectiveSection(name="mlm", **objective), SeedSection(), max_length)


def words(max_length: int = 64, **objective: object) -> WordCollator:
    return WordCollator(BERT, ObjectiveSection(name="word_aligned", **objective), SeedSection(), max_length)


def of_languages(row: EncodedRow, source: str, target: str) -> EncodedRow:
    return replace(row, languages=(source, target))


class TestSentenceCollator:
    @settings(deadline=None)
    @given(st.lists(encoded_rows(), min_size=1, max_size=4), maskings, st.integers(4, 16))
    def test_both_sides_in_frames_of_their_own(self, rows: list[Row], masking: str, max_length: int) -> None:
        batch = sentences(max_length, masking=masking, mask_probability=0.5)(rows)
        ids = originals(batch)
        sides = [side.tolist() for _, row in rows for side in (row.source_ids, row.target_ids)]
        for number, side in enumerate(sides):
            expected = [CLS, *side[: max_length - 2], SEP]
            assert ids[number, : len(expected)].tolist() == expected
            assert batch.attention_mask[number].tolist() == [1] * len(expected) + [0] * (ids.shape[1] - len(expected))
        assert batch.lost_tokens == sum(max(0, len(side) - (max_length - 2)) for side in sides)
        assert not np.isin(batch.labels, [CLS, SEP]).any()
        assert batch.attention_mask.ravel()[batch.masked].all()
        assert (np.diff(batch.masked) > 0).all()
        assert not batch.token_type_ids.any()

    @settings(deadline=None)
    @given(encoded_rows(), maskings)
    def test_the_tokens_that_tlm_masks(self, row: Row, masking: str) -> None:
        """The same seeds choose the same tokens and put the same in their places: only the frame differs."""
        settings_ = {"masking": masking, "mask_probability": 0.5, "sentence_order": "fixed"}
        pair = make_collator(**settings_)([row])
        alone = sentences(**settings_)([row])
        assert alone.labels.tolist() == pair.labels.tolist()
        assert alone.input_ids.ravel()[alone.masked].tolist() == pair.input_ids.ravel()[pair.masked].tolist()

    def test_probability_of_the_step(self) -> None:
        row = (RowKey(0, 0), make_row(range(5, 45), range(5, 45)))
        collator = sentences(mask_probability=[(1, 0.1), (101, 0.9)])
        counts = [len(collator([row], step).masked) for step in (1, 51, 101)]
        assert counts[0] < counts[1] < counts[2]
        pair = make_collator(mask_probability=[(1, 0.1), (101, 0.9)])
        assert len(pair([row], 1).masked) < len(pair([row], 101).masked)

    def test_masks_of_a_row_do_not_depend_on_its_batch(self) -> None:
        rows = [(RowKey(0, number), make_row([10 + number] * 9, [20 + number] * 5)) for number in range(3)]
        whole = sentences(mask_probability=0.5)(rows)
        for number, row in enumerate(rows):
            alone = sentences(mask_probability=0.5)([row])
            length = alone.input_ids.shape[1]
            assert whole.input_ids[2 * number : 2 * number + 2, :length].tolist() == alone.input_ids.tolist()
        assert (whole.input_ids == MASK).any()


class TestWordEnds:
    def test_last_subwords(self) -> None:
        """Word 0 of two subwords with word 1 of three; words without a link, and tokens of no word, have no part."""
        row = make_row([11, 12, 13], [21, 22, 23, 24, 25], [(0, 1), (1, 2)], [0, 0, 1], [0, 1, 1, 1, -1])
        assert word_ends(row).tolist() == [[1, 3]]

    def test_identical_words_are_dropped(self) -> None:
        row = make_row([11, 12, 13], [11, 12, 14], [(0, 0), (1, 1), (2, 2)], [0, 0, 1], [0, 0, 1])
        assert word_ends(row).tolist() == [[2, 2]]

    def test_none(self) -> None:
        assert word_ends(make_row([11], [12])).shape == (0, 2)

    @settings(deadline=None)
    @given(encoded_rows())
    def test_each_word_once_at_its_end(self, row: Row) -> None:
        _, own = row
        ends = word_ends(own)
        for column, word_ids in enumerate((own.source_word_ids, own.target_word_ids)):
            found = word_ids[ends[:, column]]
            assert (found >= 0).all()
            assert len(set(found.tolist())) == len(found)
            for end in ends[:, column]:
                assert not (word_ids[end + 1 :] == word_ids[end]).any()


class TestWordCollator:
    def test_places_and_anchors(self) -> None:
        first = of_languages(make_row([11, 12], [21, 22, 23], [(1, 2)]), "en", "de")
        second = of_languages(make_row([13], [24], [(0, 0)]), "de", "en")
        batch = words()([(RowKey(0, 0), first), (RowKey(0, 1), second)])
        assert batch.input_ids.tolist() == [
            [CLS, 11, 12, SEP, 0],
            [CLS, 21, 22, 23, SEP],
            [CLS, 24, SEP, 0, 0],
            [CLS, 13, SEP, 0, 0],
        ]
        assert batch.aligned.tolist() == [[2, 8], [11, 16]]
        assert batch.anchors.tolist() == [0, 1, 2, 3, 10, 11, 12]
        assert (len(batch.masked), batch.lost_links, batch.counts()["aligned"]) == (0, 0, 2)

    def test_words_that_are_cut_off(self) -> None:
        row = of_languages(make_row([11, 12, 13, 14], [21, 22], [(1, 0), (3, 1)]), "en", "de")
        batch = words(max_length=5)([(RowKey(0, 0), row)])
        assert batch.aligned.tolist() == [[2, 6]]
        assert (batch.lost_tokens, batch.lost_links) == (1, 1)

    @pytest.mark.parametrize("language", ["en", "de", "xx"])
    def test_anchor_language(self, language: str) -> None:
        row = of_languages(make_row([11, 12], [21]), "en", "de")
        batch = words(anchor_language=language)([(RowKey(0, 0), row)])
        assert batch.anchors.tolist() == {"en": [0, 1, 2, 3], "de": [0, 1, 2], "xx": []}[language]


class TestSideBySide:
    def test_by_hand(self) -> None:
        first = of_languages(make_row([11, 12], [21, 22, 23], [(1, 2)]), "en", "de")
        second = of_languages(make_row([13], [24], [(0, 0)]), "de", "en")
        rows = [(RowKey(0, 0), first), (RowKey(0, 1), second), (RowKey(0, 2), of_languages(first.alone(), "en", ""))]
        batch = WordCollator(SIDE_BY_SIDE, ObjectiveSection(name="word_aligned"), SeedSection(), 64)(rows)
        assert batch.input_ids.tolist() == [
            [CLS, 11, 12, SEP, CLS, 21, 22, 23, SEP],
            [CLS, 24, SEP, CLS, 13, SEP, 0, 0, 0],
            [CLS, 11, 12, SEP, 0, 0, 0, 0, 0],
        ]
        assert batch.attention_mask.tolist() == [
            [1, 1, 1, 1, 2, 2, 2, 2, 2],
            [1, 1, 1, 2, 2, 2, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0, 0, 0],
        ]
        assert batch.aligned.tolist() == [[2, 7], [10, 13]]
        assert batch.anchors.tolist() == [0, 1, 2, 3, 9, 10, 11, 18, 19, 20, 21]
        assert batch.num_tokens == 19

    @settings(deadline=None)
    @given(st.lists(encoded_rows(unpaired=True), min_size=1, max_size=4), maskings, st.integers(4, 16))
    def test_the_same_sentences_and_masks_as_apart(self, rows: list[Row], masking: str, max_length: int) -> None:
        objective = ObjectiveSection(name="mlm", masking=masking, mask_probability=0.5)
        apart = SentenceCollator(BERT, objective, SeedSection(), max_length)(rows)
        beside = SentenceCollator(SIDE_BY_SIDE, objective, SeedSection(), max_length)(rows)
        assert sequences_of(beside) == sequences_of(apart)
        assert beside.labels.tolist() == apart.labels.tolist()
        assert len(beside.input_ids) == len(rows)
        assert len(apart.input_ids) == sum(1 + row.is_pair for _, row in rows)
        assert (beside.num_tokens, beside.lost_tokens) == (apart.num_tokens, apart.lost_tokens)


def sequences_of(batch: Batch) -> list[list[int]]:
    return [
        ids[numbers == number].tolist()
        for ids, numbers in zip(batch.input_ids, batch.attention_mask, strict=True)
        for number in range(1, numbers.max() + 1)
    ]
