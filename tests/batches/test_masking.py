"""Masks: which tokens are chosen, what stands there instead, and what the choice hangs on."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.support.rows import BERT, FIRST_ORDINARY, MASK, NUM_TOKENS, Row, make_collator, make_row
from weam_ray.batches.batch import Batch
from weam_ray.batches.masking import word_units
from weam_ray.batches.pairs import PairCollator
from weam_ray.encode.rows import RowKey
from weam_ray.settings.training import SeedSection


def long_rows(count: int, length: int = 20, num_links: int = 8) -> list[Row]:
    """Rows of different tokens, word k of one side linked to word k of the other."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        source, target = (generator.integers(FIRST_ORDINARY, NUM_TOKENS, length) for _ in range(2))
        rows.append((RowKey(0, number), make_row(source, target, [(k, k) for k in range(num_links)])))
    return rows


class TestMasking:
    ROWS = long_rows(400)

    def shares(self, probability: float, masking: str = "subword") -> tuple[Batch, float]:
        collator = make_collator(mask_probability=probability, masking=masking)
        batch = collator(self.ROWS)
        candidates = 16 if masking == "aligned" else 40
        return batch, len(batch.masked) / (candidates * len(self.ROWS))

    @pytest.mark.parametrize("probability", [0.15, 0.3, 0.8])
    @pytest.mark.parametrize("masking", ["subword", "whole_word", "aligned"])
    def test_probability(self, probability: float, masking: str) -> None:
        """6,400 or 16,000 candidates: within five standard deviations."""
        _, share = self.shares(probability, masking)
        assert share == pytest.approx(probability, abs=5 * (probability * (1 - probability) / 6400) ** 0.5)

    def test_80_10_10(self) -> None:
        batch, _ = self.shares(0.8)
        seen = batch.input_ids.ravel()[batch.masked]
        deviation = 5 * (0.25 / len(seen)) ** 0.5
        unchanged_by_chance = 0.1 / (NUM_TOKENS - FIRST_ORDINARY)
        assert (seen == MASK).mean() == pytest.approx(0.8, abs=deviation)
        assert (seen == batch.labels).mean() == pytest.approx(0.1 + unchanged_by_chance, abs=deviation)
        replaced = seen[(seen != MASK) & (seen != batch.labels)]
        assert len(replaced) / len(seen) == pytest.approx(0.1 - unchanged_by_chance, abs=deviation)
        assert set(replaced.tolist()) == set(range(FIRST_ORDINARY, NUM_TOKENS))

    def test_every_position_alike(self) -> None:
        batch, _ = self.shares(0.3)
        length = batch.input_ids.shape[1]
        counts = np.bincount(batch.masked % length, minlength=length)
        inside = np.delete(counts, [0, 21, 42])
        assert counts[[0, 21, 42]].sum() == 0
        assert inside.min() > 400 * 0.3 - 5 * 400**0.5 / 2
        assert inside.max() < 400 * 0.3 + 5 * 400**0.5 / 2

    def test_masks_change_with_epoch_row_and_seed_only(self) -> None:
        row = self.ROWS[0][1]
        collator = make_collator(mask_probability=0.5, sentence_order="fixed")

        def masked(collator: PairCollator, epoch: int, number: int) -> list[int]:
            return collator([(RowKey(epoch, number), row)]).masked.tolist()

        assert masked(collator, 0, 0) == masked(collator, 0, 0)
        others = [masked(collator, 1, 0), masked(collator, 0, 1), masked(make_collator(masking_seed=3), 0, 0)]
        assert all(masked(collator, 0, 0) != other for other in others)
        data_seed = PairCollator(BERT, collator.objective, SeedSection(data=50), 64)
        assert masked(data_seed, 0, 0) == masked(collator, 0, 0)

    def test_masks_are_the_same_for_every_objective(self) -> None:
        """TLM and WEAM differ in their loss, not in their data."""
        one, other = (make_collator(name=name)(self.ROWS[:50]) for name in ("tlm", "weam"))
        assert_array_equal(one.input_ids, other.input_ids)
        assert_array_equal(one.masked, other.masked)

    def test_aligned_words_only(self) -> None:
        batch, _ = self.shares(0.5, "aligned")
        partner = batch.exchange.ravel()[batch.masked]
        assert (partner != batch.masked % batch.input_ids.shape[1]).all()

    def test_aligned_without_links(self) -> None:
        batch = make_collator(masking="aligned", mask_probability=0.9)([(RowKey(0, 0), make_row([9, 9], [9]))])
        assert len(batch.masked) == len(batch.labels) == 0

    def test_whole_words(self) -> None:
        """All tokens of a word or none; tokens of no word (-1) each for themselves."""
        words = [0, 0, 0, 1, -1, -1, 2, 2]
        rows = [(RowKey(0, number), make_row(range(10, 18), range(20, 28), (), words, words)) for number in range(300)]
        batch = make_collator(masking="whole_word", mask_probability=0.4, sentence_order="fixed")(rows)
        chosen = np.zeros(batch.input_ids.size, bool)
        chosen[batch.masked] = True
        chosen = chosen.reshape(batch.input_ids.shape)
        for start in (1, 10):
            first, second, third = (chosen[:, start + a : start + b] for a, b in ((0, 3), (3, 4), (6, 8)))
            assert (first.all(axis=1) == first.any(axis=1)).all()
            assert (third.all(axis=1) == third.any(axis=1)).all()
            assert second.any()
            assert (first[:, 0] != third[:, 0]).any()
            assert (chosen[:, start + 4] != chosen[:, start + 5]).any()
        assert (chosen[:, 1] != chosen[:, 10]).any()  # word 0 of one side is not word 0 of the other

    def test_word_units(self) -> None:
        sides = np.array([0, 0, 1, -1, -1, 3], np.int16), np.array([0, 1, 1], np.int16)
        assert word_units(sides).tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 6]
        empty = np.array([], np.int16)
        assert word_units((empty, sides[1])).tolist() == [0, 1, 1]
        assert word_units((sides[1], empty)).tolist() == [0, 1, 1]
