"""Why a pair is rejected."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pairs import batch
from weam_ray.corpus.filters.always import BLANK, IDENTICAL, NUL, TOO_LONG, count_direction_marks, reject_reasons
from weam_ray.corpus.readers.base import SEPARATOR, SURROGATE
from weam_ray.corpus.words import Segmentation, word_spans


def reason_of(source: str, target: str, max_words: int = 3, segmentation: Segmentation = "words") -> str | None:
    (reason,) = reject_reasons(batch([(source, target)]), max_words, segmentation).to_pylist()
    return reason


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("a b", "c d", None),
        ("a b c", "d", None),
        ("", "c", BLANK),
        ("a", "", BLANK),
        ("", "", BLANK),
        (" \t\u3000\u00a0", "c", BLANK),
        ("\u200b\ufeff", "c", BLANK),  # invisible, and no word
        ("same words", "same words", IDENTICAL),
        (" same words", "same words\u00a0", IDENTICAL),
        ("Same words", "same words", None),
        ("a b c d", "e", TOO_LONG),
        ("e", "a b c d", TOO_LONG),
        ("a-b", "c", None),  # three words: a, -, b
        ("a-b.", "c", TOO_LONG),
        ("天气很", "c", None),
        ("天气很好", "c", TOO_LONG),
        ("a b c d", "a b c d", IDENTICAL),
        ("", "a b c d", BLANK),
        ("a\0b", "c", NUL),
        ("a", "\0", NUL),
        ("a ||| b", "c", TOO_LONG),  # five words
        ("\u200fa\u200e b", "c", None),  # marks of direction are text
    ],
)
def test_reason(source: str, target: str, reason: str | None) -> None:
    assert reason_of(source, target) == reason


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("a-b. c d", "天气很好", None),
        ("a b c d", "e", TOO_LONG),
        ("a\u00a0b\u3000c d e", "f", None),  # three words
        ("a ||| b", "c", SEPARATOR),
        ("c", "|||", SEPARATOR),
        ("a", "b\t|||", SEPARATOR),
        ("a b c d |||", "a b c d |||", SEPARATOR),
        ("a||| |||b", "||||", None),
        ("a\u00a0||| b", "c", None),
        ("a\0 |||", "", NUL),
        (" \t ", "c", BLANK),
        ("a", "\u00a0 \u200b \u200e\u200f \ufeff", BLANK),
        ("\u2066\u2069 \ue000 \r", "c", BLANK),
        ("\u200f.", "c", None),
        ("a b", " a b\t", IDENTICAL),
    ],
)
def test_reason_with_white_space_segmentation(source: str, target: str, reason: str | None) -> None:
    assert reason_of(source, target, segmentation="whitespace") == reason


@pytest.mark.parametrize("segmentation", ["words", "whitespace"])
def test_identical_pairs_can_be_kept(segmentation: Segmentation) -> None:
    pairs = batch([("a b", "a b"), ("a b c d", "a b c d"), ("", ""), ("\0", "\0")])
    assert reject_reasons(pairs, 3, segmentation, keep_identical=True).to_pylist() == [None, TOO_LONG, BLANK, NUL]


@pytest.mark.parametrize("problem", [SURROGATE, SEPARATOR])
def test_a_reader_s_problem_goes_first(problem: str) -> None:
    pairs = batch([("a\0b", ""), ("", ""), ("a", "b")], problem)
    assert reject_reasons(pairs, 3).to_pylist() == [problem] * 3


def test_no_pairs() -> None:
    assert reject_reasons(batch([]), 3).to_pylist() == []
    assert count_direction_marks(batch([])) == 0


def test_direction_marks_are_counted_by_pair() -> None:
    marks = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    assert count_direction_marks(batch([(f"a{mark}", "b") for mark in marks])) == len(marks)
    assert count_direction_marks(batch([("a", f"{marks}b"), (marks, marks), ("شمس", "b\u200c\u200d\u2065\u206a")])) == 2


VISIBLE = {"L", "M", "N", "P", "S"}


@pytest.mark.parametrize("segmentation", ["words", "whitespace"])
def test_long_words(segmentation: Segmentation) -> None:
    """A word that may have more tokens than links have numbers for; unpaired text has no links."""
    for letter, most in (("a", 32_766), ("\u00e9", 16_383)):
        assert reason_of(letter * most, "b", segmentation=segmentation) is None
        assert reason_of("b", "c " + letter * (most + 1), segmentation=segmentation) == TOO_LONG
    assert reason_of(" " * 40_000 + "a", "b", segmentation=segmentation) is None
    assert reason_of(" " * 40_000, "b", segmentation=segmentation) == BLANK
    unpaired = reject_reasons(batch([("a" * 40_000, "")]), 3, segmentation, paired=False)
    assert unpaired.to_pylist() == [None]


WHITE = " \t\n\r\x0b\x1c\x85\u00a0\u2028\u3000"
TEXT = (
    st.text(st.characters(exclude_categories=["Cn", "Cs"]), max_size=12)
    | st.lists(st.sampled_from(["a", "b", "天", "।", "9", "|||", "\0", "\u200f"]), max_size=8).map(" ".join)
    | st.text(st.sampled_from(f"{WHITE}ab|\u200e\u0301"), max_size=8)
)


@pytest.mark.parametrize("segmentation", ["words", "whitespace"])
@settings(deadline=None)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), max_size=8), max_words=st.integers(1, 6), skipped=st.integers(0, 3))
def test_reasons_are_as_described_and_of_each_pair_alone(
    segmentation: Segmentation, pairs: list[tuple[str, str]], max_words: int, skipped: int
) -> None:
    found = reject_reasons(batch(pairs).slice(skipped), max_words, segmentation).to_pylist()
    assert found == [described(*pair, max_words, segmentation) for pair in pairs[skipped:]]
    turned = [(target, source) for source, target in pairs[skipped:]]
    assert reject_reasons(batch(turned), max_words, segmentation).to_pylist() == found


def described(source: str, target: str, max_words: int, segmentation: Segmentation) -> str | None:
    """The reason in plain Python."""
    sides = source, target
    if any("\0" in side for side in sides):
        return NUL
    if segmentation == "words":
        lengths = [len(word_spans(side)) for side in sides]
        blank = 0 in lengths
    else:
        words = [[word for word in re.split(r"[ \t]+", side) if word] for side in sides]
        if "|||" in words[0] + words[1]:
            return SEPARATOR
        lengths = [len(side) for side in words]
        blank = not all(any(unicodedata.category(letter)[0] in VISIBLE for letter in side) for side in sides)
    if blank:
        return BLANK
    if source.strip() == target.strip():
        return IDENTICAL
    return TOO_LONG if max(lengths) > max_words else None
