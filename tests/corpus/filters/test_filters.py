"""What each filter keeps, pair by pair; limits as OpusFilter has them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.support.pairs import batch
from weam_ray.corpus.filters import Pairs, always, check_filters, keeps
from weam_ray.corpus.filters.characters import SCRIPTS, likely_script
from weam_ray.corpus.filters.duplicates import Keys, in_part, parts_of, repeated
from weam_ray.corpus.readers import base
from weam_ray.errors import UserError
from weam_ray.settings.filters import FILTER_KINDS, RESERVED, AnyFilter, DuplicatesFilter, EvaluationFilter, Filters

TEXTS = st.text(st.sampled_from("ab cB1,2.ß日本é٣"), max_size=12)


def made(**given: Any) -> AnyFilter:
    """A filter of these settings."""
    (own,) = TypeAdapter(Filters).validate_python([given])
    return own


def kept(pairs: list[tuple[str, str]], languages: tuple[str, str] = ("en", "de"), **given: Any) -> list[bool]:
    """Which pairs a filter of these settings keeps."""
    return keeps(made(**given), Pairs.of(languages, batch(pairs))).tolist()


def keeps_one(source: str, target: str, languages: tuple[str, str] = ("en", "de"), **given: Any) -> bool:
    (found,) = kept([(source, target)], languages, **given)
    return found


class TestLengths:
    @pytest.mark.parametrize(
        ("source", "target", "expected"),
        [
            ("one two", "eins zwei", True),
            ("one two", "eins", False),
            ("one two three four", "eins zwei", False),
            ("one two", "日本", True),  # two signs, two words
            ("one two", "日本語で", False),
        ],
    )
    def test_words(self, source: str, target: str, expected: bool) -> None:
        assert keeps_one(source, target, filter="length", min=2, max=3) is expected

    def test_characters(self) -> None:
        pairs = [("ab", "abc"), ("abcd", "abc"), ("a", "abc"), ("ñé", "日本語")]
        assert kept(pairs, filter="length", unit="characters", min=2, max=3) == [True, False, False, True]

    @pytest.mark.parametrize(("source", "expected"), [("a " * 6, True), ("a " * 7, False)])
    def test_the_ratio_is_of_the_longer_side(self, source: str, expected: bool) -> None:
        assert keeps_one(source, "b b", filter="length_ratio") is expected
        assert keeps_one("b b", source, filter="length_ratio") is expected

    def test_ratio_of_characters(self) -> None:
        assert kept([("abcdef", "ab"), ("abcdefg", "ab")], filter="length_ratio", unit="characters") == [True, False]

    @pytest.mark.parametrize("longest", [40, 1500])  # RE2 counts to a thousand
    def test_long_words(self, longest: int) -> None:
        word = "w" * longest
        pairs = [(f"a {word} b", "x"), ("x", f"a {word}w b"), (f"{word}w", "x")]
        assert kept(pairs, filter="long_words", max=longest) == [True, False, False]


class TestCharacters:
    def test_letters(self) -> None:
        pairs = [("abc1", "abc1"), ("ab12", "abcd"), ("abcd", "ab12"), ("a b c d", "abcd")]
        assert kept(pairs, filter="letters") == [True, False, False, False]
        assert kept(pairs, filter="letters", count_spaces=False) == [True, False, False, True]

    def test_marks_are_letters(self) -> None:
        assert keeps_one("किताब", "e\u0301", ("hi", "fr"), filter="letters", min=1.0)

    def test_digits(self) -> None:
        assert kept([("abcdefg123", "x"), ("abcdef1234", "x"), ("x", "12")], filter="digits") == [True, False, False]

    def test_punctuation(self) -> None:
        assert kept([("abc.", "x"), ("a...", "x"), ("abc", "€$")], filter="punctuation") == [True, False, False]

    @pytest.mark.parametrize(
        ("language", "text", "expected"),
        [
            ("ru", "Привет, мир 12", True),
            ("ru", "Привет, Bob", False),
            ("ja", "日本語のテスト", True),
            ("zh", "日本語のテスト", False),
            ("sr-Latn", "zdravo", True),
            ("sr", "zdravo", False),
            ("zh-TW", "中文", True),
            ("ko", "한국어", True),
            ("tl", "Kumusta", True),
            ("ru", "12, 13!", True),  # no letters
        ],
    )
    def test_script(self, language: str, text: str, expected: bool) -> None:
        assert keeps_one("text", text, ("en", language), filter="script") is expected

    def test_a_share_of_the_script_is_enough(self) -> None:
        pairs = [("text", "Привет Bob")]
        assert kept(pairs, ("en", "ru"), filter="script", min=0.6) == [True]
        assert kept(pairs, ("en", "ru"), filter="script", min=0.7) == [False]

    def test_a_script_of_ones_own(self) -> None:
        assert keeps_one("text", "zdravo", ("en", "sr"), filter="script", scripts={"sr": "Latn"})

    @pytest.mark.parametrize("language", ["xq", "zz-Zzzz"])
    def test_a_script_that_is_not_known(self, language: str) -> None:
        with pytest.raises(UserError, match=rf"does not know the script of '{language}'.*set scripts.*Latn"):
            check_filters([made(filter="script")], [("en", language)])

    def test_every_script_is_one_of_unicode(self) -> None:
        for script in SCRIPTS:
            assert kept([("12", "12")], ("qq", "qq"), filter="script", scripts={"qq": script}) == [True]

    def test_likely_scripts(self) -> None:
        languages = ["en", "am", "el", "he", "hi", "ka", "km", "my", "th", "ur", "uk", "yi", "pt_BR", "pa-PK"]
        assert [likely_script(language) for language in languages] == [
            *("Latn", "Ethi", "Grek", "Hebr", "Deva", "Geor", "Khmr", "Mymr", "Thai", "Arab", "Cyrl", "Hebr", "Latn"),
            "Arab",
        ]


class TestSides:
    def test_identical_letters(self) -> None:
        pairs = [("Windows 10!", "windows"), ("one", "eins"), ("ﬁne", "FINE."), ("12", "13"), ("12", "12")]
        assert kept(pairs, filter="identical") == [False, True, False, True, False]

    @pytest.mark.parametrize(
        ("source", "target", "expected"),
        [
            ("in 1984", "im Jahr 1984", True),
            ("in 1984", "im Jahr 1985", True),  # 3 of 4
            ("in 1984", "in 27", False),
            ("in 1984", "ohne", False),
            ("no", "ohne", True),
            ("100", "1", True),  # zeros do not count
            ("in 1984", "عام ١٩٨٤", True),
        ],
    )
    def test_numerals(self, source: str, target: str, expected: bool) -> None:
        assert keeps_one(source, target, ("en", "ar"), filter="numerals") is expected

    @pytest.mark.parametrize(
        ("source", "target", "expected"),
        [
            ("One.", "Eins.", True),
            ("One. Two.", "Eins", True),  # -log(1 + 2 + 1) = -1.4
            ("One. Two. Three. Four.", "Eins", False),  # -log(1 + 4 + 3) = -2.1
            ("Wait...", "Warte...", True),  # -log(1 + 0 + 4) = -1.6
            ("A" + "." * 5, "B" + "。" * 5, False),  # -log(1 + 0 + 8) = -2.2
        ],
    )
    def test_terminal_punctuation(self, source: str, target: str, expected: bool) -> None:
        assert keeps_one(source, target, filter="terminal_punctuation") is expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a word again", True),
            ("again again again", False),
            ("again again", True),  # repeated once
            ("hahahahahaha", False),  # haha three times
            ("aaaa", True),  # a string of three characters, not of one
        ],
    )
    def test_repetition(self, text: str, expected: bool) -> None:
        assert keeps_one("x", text, filter="repetition") is expected
        assert keeps_one(text, "x", filter="repetition") is expected


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(st.sampled_from("ab \n\u3000\u00a0\U0001f600"), max_size=30),
    times=st.integers(1, 3),
    shortest=st.integers(1, 4),
    more=st.integers(0, 5),
)
def test_repetitions_are_those_of_the_regular_expression(text: str, times: int, shortest: int, more: int) -> None:
    pattern = rf"(\S.{{{shortest - 1},{shortest + more - 1}}}?)(?: *\1){{{times},}}"
    kept = keeps_one(text, "x", filter="repetition", times=times, min=shortest, max=shortest + more)
    assert kept is (re.search(pattern, text) is None)


class TestLanguage:
    TEXTS = ("The house is on the hill.", "Das Haus steht auf dem Hügel.")

    def test_the_model_that_comes_with_the_program(self) -> None:
        pairs = [self.TEXTS, self.TEXTS[::-1], (self.TEXTS[0], self.TEXTS[0])]
        assert kept(pairs, filter="language") == [True, False, False]

    @pytest.mark.parametrize("language", ["deu", "de-AT", "de_Latn"])
    def test_other_codes_of_a_language(self, language: str) -> None:
        assert keeps_one(*self.TEXTS, ("eng", language), filter="language")

    def test_several_lines(self) -> None:
        assert keeps_one(self.TEXTS[0] + "\n" + self.TEXTS[0] + "\u2028", self.TEXTS[1], filter="language")

    def test_a_language_that_the_model_does_not_know(self) -> None:
        with pytest.raises(
            UserError, match=r"filter wrong_language does not know the language 'ace'.*GlotLID.*knows af"
        ):
            check_filters([made(filter="language")], [("en", "ace")])

    def test_a_file_that_is_no_model(self, tmp_path: Path) -> None:
        file = tmp_path / "model.bin"
        file.write_text("no model", encoding="utf-8")
        with pytest.raises(UserError, match=r"model.bin is no model of fastText"):
            check_filters([made(filter="language", model=str(file))], [("en", "de")])


class TestEvaluation:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[str]:
        first, second = tmp_path / "test.en", tmp_path / "test.tsv"
        first.write_text("The quick brown fox jumps over the lazy dog today.\n\n", encoding="utf-8")
        second.write_text("1\tGuten Morgen\tlabel\n", encoding="utf-8")
        return [str(first), str(second)]

    def test_sentences_are_known_by_their_words(self, files: list[str]) -> None:
        pairs = [
            ("a", "b"),
            ("the quick brown fox jumps over the lazy dog today", "b"),
            ("a", "GUTEN MORGEN!"),
            ("Before it. The quick brown fox jumps over the lazy dog today. After it.", "b"),
            ("Guten Abend", "b"),
        ]
        assert kept(pairs, filter="evaluation", files=files) == [True, False, False, False, True]

    def test_nearly_the_same(self, files: list[str]) -> None:
        pairs = [("The quick brown fox jumps over the lazy cat today.", "b")]  # 8 of 10 words
        assert kept(pairs, filter="evaluation", files=files) == [False]
        assert kept(pairs, filter="evaluation", files=files, near=False) == [True]

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"corpus.filters.files: there is no file"):
            kept([("a", "b")], filter="evaluation", files=str(tmp_path / "gone"))


class TestDuplicates:
    def keys(self, pairs: list[tuple[str, str]], languages: tuple[str, str] = ("en", "de"), **given: Any) -> Keys:
        own = made(filter="duplicates", **given)
        assert isinstance(own, DuplicatesFilter)
        return Keys.of(own, languages, batch(pairs))

    def again(self, pairs: list[tuple[str, str]], **given: Any) -> list[int]:
        keys = self.keys(pairs, **given)
        return repeated(keys.first, keys.second, np.arange(len(pairs))).tolist()

    def test_the_first_is_kept(self) -> None:
        assert self.again([("a", "b"), ("a", "c"), ("a", "b"), ("A", "b"), ("a", "b ")]) == [2, 4]

    def test_letters(self) -> None:
        pairs = [("One, two", "eins"), ("one two!", "Eins 2"), ("one", "eins")]
        assert self.again(pairs, compare="letters") == [1]
        assert self.again([("12", "13"), ("14", "15"), ("12", "13")], compare="letters") == [2]

    @pytest.mark.parametrize("sides", ["pair", "source", "target"])
    def test_unpaired_text(self, sides: str) -> None:
        keys = self.keys([("a", ""), ("b", ""), ("a", "")], ("en", ""), sides=sides)
        assert repeated(keys.first, keys.second, np.arange(3)).tolist() == [2]

    @pytest.mark.parametrize(("sides", "expected"), [("source", [1]), ("target", [2]), ("pair", [])])
    def test_one_side(self, sides: str, expected: list[int]) -> None:
        assert self.again([("a", "b"), ("a", "c"), ("d", "b")], sides=sides) == expected

    def test_sides_that_are_turned(self) -> None:
        plain, turned = self.keys([("a", "b")]), self.keys([("b", "a")], ("de", "en"))
        assert (plain.first, plain.second) == (turned.first, turned.second)

    def test_the_same_text_in_another_language_pair(self) -> None:
        plain, other = (self.keys([("a", "b")], languages) for languages in (("en", "de"), ("en", "fr")))
        assert (plain.first, plain.second) != (other.first, other.second)
        one, two = (self.keys([("a", "b")], languages, sides="source") for languages in (("en", "de"), ("en", "fr")))
        assert (one.first, one.second) != (two.first, two.second)

    @given(st.lists(st.tuples(TEXTS, TEXTS), max_size=30), st.integers(1, 4))
    def test_parts_find_what_the_whole_has(self, pairs: list[tuple[str, str]], of: int) -> None:
        keys, rows = self.keys(pairs), np.arange(len(pairs))
        members = [in_part(keys, part, of) for part in range(of)]
        found = [repeated(keys.first[own], keys.second[own], rows[own]) for own in members]
        stripped = [(source.strip(), target.strip()) for source, target in pairs]
        expected = [row for row, pair in enumerate(stripped) if pair in stripped[:row]]
        assert sorted(np.concatenate(found).tolist()) == expected

    def test_number_of_parts(self) -> None:
        assert [parts_of(rows) for rows in (0, 1, 2_000_000, 2_000_001)] == [1, 1, 1, 2]


LOCAL = [kind for kind in FILTER_KINDS if kind is not DuplicatesFilter]


@pytest.mark.parametrize("kind", LOCAL, ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_a_pair_is_judged_by_itself(kind: Any, pairs: list[tuple[str, str]]) -> None:
    """Whatever stands beside it, so that blocks change nothing; and unpaired text by its one side."""
    name = kind.model_fields["filter"].annotation.__args__[0]
    given: dict[str, Any] = {"filter": name} | ({"files": __file__} if name == "evaluation" else {})
    found = kept(pairs, **given)
    assert found == [keeps_one(*pair, **given) for pair in pairs]
    assert len(kept(pairs, ("en", ""), **given)) == len(pairs)


class TestNames:
    def names(self, *given: dict[str, Any]) -> list[str | None]:
        return [own.name for own in TypeAdapter(Filters).validate_python([*given])]

    def test_of_a_kind_and_its_place(self) -> None:
        assert self.names({"filter": "length"}, {"filter": "digits"}) == ["length", "digits"]
        assert self.names({"filter": "length"}, {"filter": "digits"}, {"filter": "length"}) == [
            "length_1",
            "digits",
            "length_3",
        ]
        assert self.names({"filter": "length", "name": "short"}, {"filter": "length"}) == ["short", "length"]

    def test_reasons_of_rows_without_filters_are_no_names(self) -> None:
        constants = {**vars(base), **vars(always)}
        reasons = {
            value
            for name, value in constants.items()
            if name[0].isupper() and name.isupper() and isinstance(value, str)
        }
        assert reasons == RESERVED
        for kind in FILTER_KINDS:
            needs = {"files": __file__} if kind is EvaluationFilter else {}
            own = made(filter=kind.model_fields["filter"].annotation.__args__[0], **needs)
            assert own.name not in RESERVED
        with pytest.raises(ValueError, match=r"0: 'blank' is a reason that rows have without filters"):
            self.names({"filter": "length", "name": "blank"})

    def test_names_differ(self) -> None:
        with pytest.raises(ValueError, match=r"1: a filter before it is called 'length' too"):
            self.names({"filter": "length"}, {"filter": "digits", "name": "length"})
