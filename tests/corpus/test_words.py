"""Words as spans of raw text, in many scripts."""

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weam_ray.corpus.words import Segmentation, Words, bare_words, has_word, segment, word_spans


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in word_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is raining today, isn't it?", "It is raining today , isn ' t it ?"),
        ("l’homme n'a", "l ’ homme n ' a"),
        ("snake_case x2 3.14", "snake_case x2 3 . 14"),
        ("Straße naïve cafe\u0301 x", "Straße naïve cafe\u0301 x"),
        ("今天下雨吗？", "今 天 下 雨 吗 ？"),
        ("日本語のテキスト", "日 本 語 の テ キ ス ト"),
        ("か\u3099き", "か\u3099 き"),
        ("สวัสดีชาวโลก", "ส วั ส ดี ช า ว โ ล ก"),
        ("GPT模型v2", "GPT 模 型 v2"),
        ("नमस्ते दुनिया।", "नमस्ते दुनिया ।"),
        ("क्षत्रिय क्\u200dष", "क्षत्रिय क्\u200dष"),
        ("العَرَبِيَّة لغةٌ؟", "العَرَبِيَّة لغةٌ ؟"),
        ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
        ("שָׁלוֹם עוֹלָם", "שָׁלוֹם עוֹלָם"),
        ("Привет, мир", "Привет , мир"),
        ("한국어 문장", "한국어 문장"),
        ("a👩‍👩‍👧‍👦b 👍🏽 🇩🇪🇫🇷 ☺️", "a 👩‍👩‍👧‍👦 b 👍🏽 🇩🇪 🇫🇷 ☺️"),
        ("1️⃣ !?", "1️⃣ ! ?"),
        ("a\x00b \x07\x1f c\u200bd\ufeff", "a b c d"),
        (" \t\r\n\u00a0\u3000", ""),
        ("", ""),
        ("\u200e\u202a\u2060\u00ad", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert words(text) == expected.split()


def test_virama_and_marks_stay_in_the_word() -> None:
    """A mark that ends a word, follows another mark, or stands before a letter never cuts it."""
    for word in ("स्त्री", "प्रार्थना", "தமிழ்", "বাংলা", "ಕನ್ನಡ", "ქართული"):
        assert words(f"x {word} y") == ["x", word, "y"]


@pytest.mark.parametrize("text", ["\u200d", "\u200c", "a \u200d b", "\u200c\u200d", "। \u200c"])
def test_a_joiner_alone_is_no_word(text: str) -> None:
    """The joiners belong to the letters beside them; with none there is nothing to see."""
    assert all(any(is_visible(character) for character in word) for word in words(text))


def is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character)[0] != "C"


any_text = st.text(st.characters(exclude_categories=["Cn", "Cs"]), max_size=30)
tricky = st.text(
    st.sampled_from(
        "ab1_'’-.,? \t\n\x00\u200b\u200c\u200d\ufe0f\u0301\u093f\u094d\u20e3क你好のไทดู한한가العَ👩👧🏽🇩🇫☺\u00ad\u0600"
    ),
    max_size=20,
)


class TestAnyText:
    @settings(deadline=None)
    @given(any_text | tricky)
    def test_in_order_without_overlap(self, text: str) -> None:
        last = 0
        for start, end in word_spans(text):
            assert last <= start < end <= len(text)
            last = end

    @settings(deadline=None)
    @given(any_text | tricky)
    def test_every_visible_character_is_in_a_word(self, text: str) -> None:
        covered = {k for span in word_spans(text) for k in range(*span)}
        missed = [text[k] for k in range(len(text)) if k not in covered and is_visible(text[k])]
        assert missed == []

    @settings(deadline=None)
    @given(any_text | tricky)
    def test_no_word_holds_a_space(self, text: str) -> None:
        assert not any(character.isspace() for word in words(text) for character in word)

    @settings(deadline=None)
    @given(any_text | tricky)
    def test_every_word_shows(self, text: str) -> None:
        assert all(any(is_visible(character) for character in word) for word in words(text))

    @settings(deadline=None)
    @given(st.lists(any_text | tricky, max_size=4))
    def test_lines_are_cut_alone(self, texts: list[str]) -> None:
        assert words("\n".join(texts)) == [word for text in texts for word in words(text)]

    @settings(deadline=None)
    @given(any_text | tricky)
    def test_has_word(self, text: str) -> None:
        assert has_word(text) == bool(word_spans(text))


@given(st.text(st.characters(max_codepoint=127), max_size=30))
def test_ascii_is_cut_as_any_text(text: str) -> None:
    """It has a way of its own, which is quicker; a word of another script behind it has it go the general way."""
    general = word_spans(f"{text} ж")
    assert word_spans(text) == general[:-1]
    assert bare_words(text) == bare_words(f"{text} ж")[:-1]


def by_text(found: Words) -> list[list[str]]:
    words = found.words.to_pylist()
    return [words[start:end] for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


def spans_by_text(found: Words) -> list[list[tuple[int, int]]]:
    spans = [(int(start), int(end)) for start, end in found.spans]
    return [spans[start:end] for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)]


def test_white_space_is_space_and_tab_alone() -> None:
    texts = ["a  b\tc", " \t", "", "x\u00a0y z\r", "𝄞 e\u0301\u3000f\n.", "||| ,"]
    found = segment(pa.array(texts), "whitespace")
    assert by_text(found) == [["a", "b", "c"], [], [], ["x\u00a0y", "z\r"], ["𝄞", "e\u0301\u3000f\n."], ["|||", ","]]
    assert spans_by_text(found)[0] == [(0, 1), (3, 4), (5, 6)]
    assert spans_by_text(found)[4] == [(0, 1), (2, 8)]
    assert found.lengths.tolist() == [3, 0, 0, 2, 2, 2]


spaced = st.text(st.sampled_from("  \t\tab\r\n\u00a0\u2028\u0301\u200f天é𝄞\x00|"), max_size=15)
texts_of_any_kind = st.lists(any_text | tricky | spaced, max_size=6)


class TestSegment:
    @settings(deadline=None)
    @given(texts_of_any_kind)
    def test_whitespace(self, texts: list[str]) -> None:
        found = segment(pa.array(texts, pa.string()), "whitespace")
        assert by_text(found) == [[word for word in re.split(r"[ \t]+", text) if word] for text in texts]

    @settings(deadline=None)
    @given(texts_of_any_kind)
    def test_words(self, texts: list[str]) -> None:
        found = segment(pa.array(texts, pa.string()), "words")
        assert by_text(found) == [words(text) for text in texts]
        assert spans_by_text(found) == [word_spans(text) for text in texts]

    @pytest.mark.parametrize("segmentation", ["words", "whitespace"])
    @settings(deadline=None)
    @given(texts=texts_of_any_kind, offset=st.integers(0, 3), length=st.integers(0, 4))
    def test_spans_give_back_the_words_of_any_slice(
        self, segmentation: Segmentation, texts: list[str], offset: int, length: int
    ) -> None:
        strings = pa.array(texts, pa.string())
        part, texts = strings.slice(offset, length), texts[offset : offset + length]
        found = segment(part, segmentation)
        cut = [[text[a:b] for a, b in spans] for text, spans in zip(texts, spans_by_text(found), strict=True)]
        assert cut == by_text(found)
        assert found.words.type == pa.string()
        found.words.validate(full=True)
        assert (found.offsets.dtype, found.spans.dtype) == (np.int64, np.int32)
        assert found.spans.shape == (len(found.words), 2)
        assert not found.offsets.flags.writeable
        assert not found.spans.flags.writeable
