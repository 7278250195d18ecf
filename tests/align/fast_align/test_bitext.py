"""Words as numbers: their order, lower case, and where a word stands among the known ones."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.texts import Pairs, bitext_of, words_of
from weam_ray.align.fast_align.bitext import Bitext, Side, find_forms

# short words of few letters, some a part of another, of one to four bytes each
forms = st.text(st.sampled_from("ab\u00e9\u4e2d\U0001f600z\x00"), max_size=4)
words = st.sampled_from(["a", "A", "ab", "b", "É", "é", "中", "İ", "i̇", "😀"])
sentences = st.lists(words, min_size=1, max_size=5)


class TestSide:
    @settings(deadline=None)
    @given(st.lists(st.lists(words, max_size=5), max_size=6), st.booleans())
    def test_words_by_number(self, texts: list[list[str]], lowercase: bool) -> None:
        side = Side.of(words_of(texts), lowercase)
        expected = [[word.lower() if lowercase else word for word in text] for text in texts]
        known = side.forms.to_pylist()
        assert known == sorted({word for text in expected for word in text})
        found = [
            [known[k] for k in side.ids[begin:end]]
            for begin, end in zip(side.offsets[:-1], side.offsets[1:], strict=True)
        ]
        assert found == expected
        assert side.ids.dtype == np.int32
        assert side.lengths.tolist() == [len(text) for text in texts]

    @settings(deadline=None)
    @given(st.lists(sentences, min_size=1, max_size=6), st.data())
    def test_of_some_texts(self, texts: list[list[str]], data: st.DataObject) -> None:
        """A part of some words is the same as those words alone."""
        begin = data.draw(st.integers(0, len(texts)))
        end = data.draw(st.integers(begin, len(texts)))
        part, alone = Side.of(words_of(texts).slice(begin, end), True), Side.of(words_of(texts[begin:end]), True)
        assert part.ids.tolist() == alone.ids.tolist()
        assert part.offsets.tolist() == alone.offsets.tolist()
        assert part.forms.equals(alone.forms)


class TestBitext:
    @settings(deadline=None)
    @given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6))
    def test_counts(self, pairs: Pairs) -> None:
        bitext = bitext_of(pairs)
        cells = Counter[str]()
        for source, target in pairs:
            for word in source:
                cells[word] += len(target)
        found = dict(zip(bitext.source.forms.to_pylist(), bitext.cells_by_source_word().tolist(), strict=True))
        assert found == cells
        assert bitext.num_cells == sum(cells.values())
        lengths, frequencies = bitext.length_counts()
        expected = sorted(Counter((len(target), len(source)) for source, target in pairs).items())
        assert list(zip(map(tuple, lengths.tolist()), frequencies.tolist(), strict=True)) == expected
        row_offsets, columns, cells_of, cell_offsets = bitext.pairs()
        assert len(columns) == row_offsets[-1] == len({(e, f) for s, t in pairs for e in s for f in t})
        assert len(cells_of) == cell_offsets[-1] == bitext.num_cells

    @pytest.mark.parametrize("blank", [([], ["x"]), (["a"], [])])
    def test_blank_side(self, blank: tuple[list[str], list[str]]) -> None:
        with pytest.raises(AssertionError, match="a blank side"):
            bitext_of([(["a"], ["x"]), blank])

    def test_other_number_of_sentences(self) -> None:
        one, two = Side.of(words_of([["a"]]), False), Side.of(words_of([["a"], ["b"]]), False)
        with pytest.raises(AssertionError):
            Bitext(one, two)


class TestFindForms:
    @settings(deadline=None, max_examples=200)
    @given(st.sets(forms, max_size=12), st.lists(forms, max_size=12))
    def test_against_a_dictionary(self, known: set[str], wanted: list[str]) -> None:
        """Parts of words, words of several scripts, and the empty one; half of those asked for are known."""
        rising = sorted(known)
        asked = [*wanted, *rising[::2]]
        numbers = {form: number for number, form in enumerate(rising)}
        found = find_forms(pa.array(asked, pa.string()), pa.array(rising, pa.string()))
        assert found.tolist() == [numbers.get(form, -1) for form in asked]
        assert found.dtype == np.int32

    def test_slices(self) -> None:
        """Of Arrow arrays that begin in the middle of their bytes."""
        known, wanted = pa.array(["", "a", "b", "d", "e"])[1:4], pa.array(["x", "d", "e", "a"])[1:]
        assert find_forms(wanted, known).tolist() == [2, -1, 0]
