"""Fitting on shards: neither their number, nor ranges, threads or the order of pairs change a bit of the model."""

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.support.reference import Reference
from tests.support.texts import (
    Pairs,
    align,
    as_lists,
    assert_same_alignments,
    assert_same_models,
    both_sides,
    fit,
    stored_bytes,
    swapped,
    table_of,
    verses,
)
from weam_ray.align.fast_align import em
from weam_ray.align.fast_align import fit as fit_module
from weam_ray.align.fast_align.model import Model
from weam_ray.align.fast_align.steps import (
    add_lengths,
    expect,
    first_factors,
    index_shard,
    merge_forms,
    merge_source_forms,
    read_shard,
)

words = st.sampled_from(["a", "b", "c", "d", "e", "ä", "z9", "中"])
sentences = st.lists(words, min_size=1, max_size=5)
corpora = st.lists(st.tuples(sentences, sentences), min_size=2, max_size=9)


@st.composite
def cut_corpora(draw: st.DrawFn) -> tuple[Pairs, list[int]]:
    """Pairs, and where they are cut into shards, some of one pair, some without any."""
    pairs = draw(corpora)
    return pairs, sorted(draw(st.lists(st.integers(0, len(pairs)), max_size=6)))


class TestShards:
    @pytest.mark.parametrize("num_threads", [1, 3])
    @pytest.mark.parametrize("num_shards", [2, 3, 7])
    def test_number_changes_no_bit(self, text: Pairs, model: Model, num_shards: int, num_threads: int) -> None:
        fitted = fit(text, num_shards, num_threads=num_threads)
        assert_same_models(fitted, model)
        assert_same_alignments(align(fitted, text), align(model, text))

    @pytest.mark.parametrize("num_shards", [1, 2, 3, 7])
    def test_with_several_ranges(
        self, text: Pairs, model: Model, num_shards: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fit_module, "CELLS_PER_RANGE", 20_000)
        fitted = fit(text, num_shards, num_threads=2)
        whole = fit(text)
        assert len(fitted.parts) == len(whole.parts) > 3
        assert_same_models(fitted, whole)
        assert table_of(fitted) == table_of(model)
        assert stored_bytes(fitted.lexicon) == stored_bytes(model.lexicon)
        assert_same_alignments(align(fitted, text), align(model, text))

    @settings(deadline=None, max_examples=40)
    @given(cut_corpora(), st.integers(1, 40), st.sampled_from([1, 3]))
    def test_any_cuts_and_ranges(self, corpus: tuple[Pairs, list[int]], cells: int, num_threads: int) -> None:
        pairs, cuts = corpus
        expected = fit(pairs)
        assert len(expected.parts) == 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fit_module, "CELLS_PER_RANGE", cells)
            together, apart = fit(pairs), fit(pairs, cuts=cuts, num_threads=num_threads)
        num_cells = sum(len(source) * len(target) for source, target in pairs)
        assert len(apart.parts) == min(-(-num_cells // cells), fit_module.MOST_RANGES)
        assert_same_models(apart, together)
        assert table_of(apart) == table_of(expected)
        assert stored_bytes(apart.lexicon) == stored_bytes(expected.lexicon)
        assert_same_alignments(align(apart, pairs), align(expected, pairs))

    @settings(deadline=None, max_examples=15)
    @given(corpora, st.randoms(use_true_random=False))
    def test_order_of_pairs_changes_no_bit(self, pairs: Pairs, generator: random.Random) -> None:
        shuffled = generator.sample(pairs, len(pairs))
        assert_same_models(fit(shuffled, cuts=[1]), fit(pairs))

    def test_order_of_verses_changes_no_bit(self, text: Pairs, model: Model) -> None:
        for seed in range(3):
            fitted = fit(random.Random(seed).sample(text, len(text)), num_shards=2)
            assert_same_models(fitted, model)
            assert_same_alignments(align(fitted, text), align(model, text))

    def test_most_ranges(self, text: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fit_module, "CELLS_PER_RANGE", 1)
        monkeypatch.setattr(fit_module, "MOST_RANGES", 5)
        assert len(fit(text[:20]).parts) == 5

    def test_words_of_one_shard_only(self) -> None:
        """No word of the first shard, on either side, is in the second."""
        pairs: Pairs = [(["a", "b"], ["x", "y"]), (["a"], ["x"]), (["c", "d"], ["z", "w"]), (["d"], ["w"])]
        fitted = fit(pairs, cuts=[2])
        assert_same_models(fitted, fit(pairs))
        assert align(fitted, pairs).forward.of(1) == align(fitted, pairs).forward.of(3) == [(0, 0)]

    def test_a_word_of_one_side_in_one_shard_only(self) -> None:
        pairs: Pairs = [(["a"], ["x"]), (["a"], ["x", "only"]), (["a", "here"], ["x"]), (["a"], ["x"])]
        for cuts in ([1, 2, 3], [1], [2], [1, 3]):
            assert_same_models(fit(pairs, cuts=cuts), fit(pairs))

    def test_words_that_are_on_the_other_side_too(self, text: Pairs) -> None:
        """A text beside itself: one name, two words; the tables of both directions are each other's."""
        pairs = [(source, source) for source, _ in text[:20]]
        fitted = fit(pairs, num_shards=3)
        assert_same_models(fitted, fit(pairs))
        lexicon = fitted.lexicon
        assert lexicon.source.equals(lexicon.target)
        assert_array_equal(lexicon.forward_null, lexicon.reverse_null)
        found = align(fitted, pairs)
        assert [[(j, i) for i, j in found.forward.of(k)] for k in range(20)] == as_lists(found.reverse)

    def test_repeated_sentences(self) -> None:
        """Ten copies in any shards; and they count ten times, as in the reference."""
        pairs: Pairs = [(["a", "a", "b"], ["x", "y"])] * 10 + [(["b"], ["y"])]
        expected = fit(pairs)
        for cuts in ([1], [5], [9, 10], [3, 6, 9]):
            assert_same_models(fit(pairs, cuts=cuts), expected)
        assert expected.lexicon.parameters.tensions[0] == pytest.approx(Reference(pairs).tension, abs=1e-6)
        assert table_of(expected) != table_of(fit([pairs[0], pairs[-1]]))

    def test_exchange_of_languages(self, text: Pairs, model: Model) -> None:
        """Sums of posteriors are taken in another order, so not bit by bit."""
        there, back = align(model, text), align(fit(swapped(text)), swapped(text))
        assert [there.forward.of(k) for k in range(150)] == [
            [(j, i) for i, j in back.reverse.of(k)] for k in range(150)
        ]
        assert there.forward_scores == pytest.approx(back.reverse_scores, rel=1e-6)


class TestReports:
    def test_passed_on_as_they_come(self, text: Pairs) -> None:
        seen = []
        fitted = fit(text[:20], num_shards=2, report=seen.append)
        assert tuple(seen) == fitted.lexicon.parameters.reports
        assert [(entry.direction, entry.iteration) for entry in seen] == [
            (name, iteration) for iteration in range(1, 5) for name in ("forward", "reverse")
        ]
        assert all(0 < entry.null_share < 1 for entry in seen)

    def test_tension_stays_when_it_is_not_optimized(self, text: Pairs) -> None:
        fitted = fit(text[:40], optimize_tension=False, tension=6.5)
        assert fitted.lexicon.parameters.tensions == (6.5, 6.5)

    def test_parameters_name_how_words_were_made(self) -> None:
        parameters = fit([(["A"], ["x"]), (["a"], ["X"])], lowercase=True, null_probability=0.2).lexicon.parameters
        assert (parameters.lowercase, parameters.segmentation, parameters.null_probability) == (True, "whitespace", 0.2)

    def test_lowercase(self) -> None:
        """Fitted in lower case, a text is the same as its lower-cased self."""
        mixed: Pairs = [(["The", "God"], ["Der", "GOTT"]), (["the", "Earth"], ["der", "Ärger"])]
        lower: Pairs = [([w.lower() for w in source], [w.lower() for w in target]) for source, target in mixed]
        one, other = fit(mixed, cuts=[1], lowercase=True), fit(lower, lowercase=True)
        assert one.lexicon.target.to_pylist() == ["der", "gott", "ärger"]
        assert_same_models(one, other)


class TestConservation:
    @settings(deadline=None, max_examples=40)
    @given(corpora, st.sampled_from([0.08, 0.5]), st.tuples(st.floats(0.1, 14), st.floats(0.1, 14)))
    def test_every_word_is_counted_once(self, pairs: Pairs, p0: float, tensions: tuple[float, float]) -> None:
        """Counts of a generated word, with those of null, add up to its occurrences, but for the rounding of each."""
        bitext, weighted, target_forms, _ = read_shard(lambda: both_sides(pairs), False)
        source_forms, bounds = merge_source_forms(1, weighted)
        shard, _ = index_shard(bitext, source_forms, target_forms, bounds)
        generator = np.random.default_rng(len(pairs))
        row_offsets, columns, _, _ = bitext.pairs()
        table = generator.random((len(columns), 2)) + 1e-3
        table.flags.writeable = False
        factors = first_factors(source_forms, target_forms)
        statistics, null_counts, counts = expect(shard, factors, *tensions, p0, False, table)
        rows = np.repeat(np.arange(len(source_forms)), np.diff(row_offsets))
        by_target, by_source = np.zeros(len(target_forms), np.int64), np.zeros(len(source_forms), np.int64)
        np.add.at(by_target, columns, counts[:, 0])
        np.add.at(by_source, rows, counts[:, 1])
        target_numbers, forward_null, source_numbers, reverse_null = null_counts
        np.add.at(by_target, target_numbers, forward_null)
        np.add.at(by_source, source_numbers, reverse_null)
        assert (counts >= 0).all()
        for side, forms, found in ((1, target_forms, by_target), (0, source_forms, by_source)):
            occurrences = Counter(word for pair in pairs for word in pair[side])
            expected = np.array([occurrences[word] for word in forms.to_pylist()]) * 2**32
            # half a unit for each cell, and the last bits of the quotients
            assert (abs(found - expected) <= bitext.num_cells + len(pairs) * 5).all()
        for direction, null in enumerate((forward_null, reverse_null)):
            assert abs(statistics[direction, 1] - null.sum()) <= 5 * len(pairs) + 5

    def test_counts_against_the_reference(self) -> None:
        """The first E-step, in which all t are the same."""
        pairs = verses(15)
        reference = Reference(pairs, iterations=1)
        counts, empirical = reference.expectation()
        bitext, weighted, target_forms, _ = read_shard(lambda: both_sides(pairs), False)
        source_forms, bounds = merge_source_forms(1, weighted)
        shard, rows = index_shard(bitext, source_forms, target_forms, bounds)
        factors = first_factors(source_forms, target_forms)
        statistics, null_counts, found = expect(shard, factors, 4.0, 4.0, 0.08, False, None)
        source, target = source_forms.to_pylist(), target_forms.to_pylist()
        owners = np.repeat(rows.numbers, rows.lengths)
        for pair, (e, f) in enumerate(zip(owners, rows.columns, strict=True)):
            assert found[pair, 0] / 2**32 == pytest.approx(counts[source[e]][target[f]], abs=1e-8)
        for number, count in zip(null_counts[0], null_counts[1], strict=True):
            assert count / 2**32 == pytest.approx(counts[None][target[number]], abs=1e-8)
        assert statistics[0, 2] / 2**32 / reference.num_tokens == pytest.approx(empirical, abs=1e-8)
        expected = -reference.cross_entropies[-1] * np.log(2) * reference.num_tokens
        assert statistics[0, 0] / em.LIKELIHOOD_SCALE == pytest.approx(expected, rel=1e-6)


class TestMerging:
    def test_forms(self) -> None:
        found = merge_forms(pa.array(["b", "z"]), pa.array([], pa.string()), pa.array(["a", "b", "ä"]))
        assert found.to_pylist() == ["a", "b", "z", "ä"]

    @settings(deadline=None)
    @given(st.dictionaries(words, st.integers(1, 30), min_size=1), st.integers(1, 6), st.data())
    def test_bounds_follow_from_the_sums_alone(
        self, cells: dict[str, int], num_ranges: int, data: st.DataObject
    ) -> None:
        """However the cells of a word are spread over shards; and no range has more than its share and one word."""
        forms = sorted(cells)
        whole = pa.array(forms), np.array([cells[form] for form in forms])
        first = {form: data.draw(st.integers(0, cells[form])) for form in forms}
        shards = []
        for shard in (first, {form: cells[form] - first[form] for form in forms}):
            own = [form for form in forms if shard[form]]
            shards.append((pa.array(own, pa.string()), np.array([shard[form] for form in own], np.int64)))
        merged, bounds = merge_source_forms(num_ranges, *shards)
        expected_forms, expected = merge_source_forms(num_ranges, whole)
        assert merged.equals(expected_forms)
        assert merged.to_pylist() == forms
        assert bounds.tolist() == expected.tolist()
        assert bounds[0] == 0
        assert bounds[-1] == len(forms)
        assert (np.diff(bounds) >= 0).all()
        share = sum(cells.values()) / num_ranges
        for begin, end in pairwise(bounds):
            assert sum(cells[form] for form in forms[begin : max(begin, end - 1)]) <= share + 1

    @settings(deadline=None, max_examples=30)
    @given(cut_corpora())
    def test_lengths(self, corpus: tuple[Pairs, list[int]]) -> None:
        pairs, cuts = corpus
        shards = [pairs[begin:end] for begin, end in pairwise([0, *cuts, len(pairs)])]
        summaries = [read_shard(lambda shard=shard: both_sides(shard), False)[3] for shard in shards]
        lengths, frequencies = add_lengths(summaries)
        expected = sorted(Counter((len(target), len(source)) for source, target in pairs).items())
        assert list(zip(map(tuple, lengths.tolist()), frequencies.tolist(), strict=True)) == expected
        assert sum(summary.num_cells for summary in summaries) == sum(len(s) * len(t) for s, t in pairs)
