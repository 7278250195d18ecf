"""The record of what a model has seen: names of sentences, there and back, and joined along a chain."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weam_ray.corpus.sentences import sentence_name, sentence_names
from weam_ray.corpus.words import bare_words
from weam_ray.errors import UserError
from weam_ray.overlap.record import EFLOMAL, FILE, FILES, LINKS, OLD, ROWS_ALONE, Record

NAMES = st.lists(st.integers(0, 2**63 - 1), max_size=20).map(lambda names: np.unique(np.array(names, np.int64)))
TOLD = st.lists(st.sampled_from(["f00d", "beef", "bert"]), unique=True, max_size=3).map(tuple)
LINKED = st.lists(st.sampled_from(sorted(LINKS)), unique=True).map(tuple)
RECORDS = st.builds(Record, NAMES, TOLD, TOLD, TOLD, LINKED)


class TestNames:
    @pytest.mark.parametrize("other", ["THE CAT — sat", '"The cat sat."', " the\tcat sat!", "ｔｈｅ cat sat"])
    def test_case_marks_and_spaces_do_not_count(self, other: str) -> None:
        assert sentence_names([other]).tolist() == sentence_names(["The cat sat."]).tolist()

    @pytest.mark.parametrize("other", ["the cat sits", "cat the sat", "the cats at", "thecat sat"])
    def test_words_and_their_order_do(self, other: str) -> None:
        assert sentence_names([other]).tolist() != sentence_names(["the cat sat"]).tolist()

    def test_scripts(self) -> None:
        """Marks that belong to words are kept; Chinese goes by character."""
        assert bare_words("नमस्ते, दुनिया!") == ["नमस्ते", "दुनिया"]
        assert bare_words("今天，下雨。") == ["今", "天", "下", "雨"]
        assert bare_words("l'été nº 3_4") == ["l", "été", "no", "3_4"]

    def test_vowel_signs_that_may_be_left_out_do_not_count(self) -> None:
        assert bare_words("فِي الْبَدْءِ") == bare_words("في البدء")
        assert bare_words("בְּרֵאשִׁית בָּרָא") == bare_words("בראשית ברא")
        assert bare_words("كـــتاب") == ["كتاب"]
        assert bare_words("hindi: कि, is not क") == ["hindi", "कि", "is", "not", "क"]

    def test_sentences_inside_of_a_text(self) -> None:
        """Of some length: the short ones stand in many texts."""
        names = sentence_names(["It rained in the old town. Why? The dog ran home to us."])
        inside = ["The dog ran home to us.", "It rained in the old town"]
        assert {*sentence_names(inside).tolist()} < {*names.tolist()}
        assert len(names) == 3

    def test_without_a_word(self) -> None:
        assert len(sentence_names(["...", "", " — ", "_"])) == 0

    def test_once_and_rising(self) -> None:
        names = sentence_names(["b", "a", "B", "c"])
        assert names.tolist() == sorted({sentence_name([word]) for word in "abc"})


class TestRecord:
    @given(RECORDS)
    def test_there_and_back(self, record: Record) -> None:
        read = Record.from_bytes(record.to_bytes(), "a file")
        assert read.names.tolist() == record.names.tolist()
        assert read.about == record.about
        assert read.fingerprint == record.fingerprint

    @given(RECORDS, RECORDS)
    def test_joined(self, first: Record, second: Record) -> None:
        both = first.joined(second)
        assert both.names.tolist() == sorted({*first.names.tolist(), *second.names.tolist()})
        for key, told in both.about.items():
            assert set(told) == {*getattr(first, key), *getattr(second, key)}
            assert len(told) == len(set(told))

    @given(RECORDS, NAMES)
    def test_has(self, record: Record, names: np.ndarray) -> None:
        own = set(record.names.tolist())
        asked = np.concatenate([names, record.names])
        assert record.has(asked).tolist() == [name in own for name in asked.tolist()]

    def test_each_part_counts(self) -> None:
        record = Record(np.array([1, 2]), ("a",), ("b",), ("c",))
        others = [
            Record(np.array([1, 3]), ("a",), ("b",), ("c",)),
            Record(np.array([1, 2]), ("x",), ("b",), ("c",)),
            Record(np.array([1, 2]), ("a",), ("x",), ("c",)),
            Record(np.array([1, 2]), ("a",), ("b",), ("x",)),
            Record(np.array([1, 2]), ("a",), ("b",), ("c",), (FILES,)),
        ]
        assert len({own.fingerprint for own in [record, *others]}) == 6

    def test_without_links_it_is_that_of_an_earlier_version(self) -> None:
        """Which reads it too, and knows what was found by it again."""
        assert Record(np.array([1])).about == {"corpora": (), "aligners": (), "unknown": ()}

    def test_what_is_not_known(self) -> None:
        assert Record(np.array([1]), ("a",), ("b",)).sentences() == []
        began, files, eflomal = Record(np.array([1]), unknown=("bert",), links=(FILES, EFLOMAL)).sentences()
        assert began == "The model began from bert; what that was pre-trained on is not known."
        assert files == "Word links came from files; what text they were fitted on is not known."
        assert eflomal.startswith("Word links came from eflomal, which is fitted on held-out pairs too;")


class TestBeside:
    def test_none(self, tmp_path: Path) -> None:
        assert Record.beside(str(tmp_path)) is None
        assert Record.beside("owner/name") is None

    def test_read(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(Record(np.array([4, 5])).to_bytes())
        found = Record.beside(str(tmp_path))
        assert found is not None
        assert found.names.tolist() == [4, 5]

    @pytest.mark.parametrize("damage", [b"", b"PAR1 and nothing more", Record(np.array([4])).to_bytes()[:-9]])
    def test_damaged(self, tmp_path: Path, damage: bytes) -> None:
        (tmp_path / FILE).write_bytes(damage)
        with pytest.raises(UserError, match=r"seen\.parquet: no record of training text that can be read"):
            Record.beside(str(tmp_path))

    def test_of_an_earlier_version(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is read, and that it knows whole rows alone is told, along a chain too."""
        with monkeypatch.context() as patch:
            patch.setattr("weam_ray.overlap.record.VERSION", ROWS_ALONE)
            (tmp_path / FILE).write_bytes(Record(np.array([4])).to_bytes())
        record = Record.beside(str(tmp_path))
        assert record is not None
        assert record.rows_alone
        both = Record(np.array([5])).joined(record)
        again = Record.from_bytes(both.to_bytes(), "a file")
        assert again.rows_alone
        assert again.sentences() == record.sentences() == [OLD]

    def test_of_other_keys(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Record, "about", {"corpora": ["a"], "more": ["b"]})
            (tmp_path / FILE).write_bytes(Record(np.array([4])).to_bytes())
        with pytest.raises(UserError, match="no record of training text that can be read"):
            Record.beside(str(tmp_path))

    def test_of_another_version(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("weam_ray.overlap.record.VERSION", 9)
            (tmp_path / FILE).write_bytes(Record(np.array([4])).to_bytes())
        with pytest.raises(UserError, match="of another version of weam-ray; this one reads version 2"):
            Record.beside(str(tmp_path))
