"""Why a pair is rejected."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weam_ray.corpus.filters import BLANK, IDENTICAL, TOO_LONG, reject_reason
from weam_ray.corpus.words import word_spans


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
    ],
)
def test_reason(source: str, target: str, reason: str | None) -> None:
    assert reject_reason(source, target, max_words=3) == reason


TEXT = st.text(max_size=12) | st.lists(st.sampled_from(["a", "b", "天", "।", "9"]), max_size=8).map(" ".join)


@given(source=TEXT, target=TEXT, max_words=st.integers(1, 6))
def test_a_kept_pair_has_words_within_the_limit_and_two_texts(source: str, target: str, max_words: int) -> None:
    reason = reject_reason(source, target, max_words)
    assert reason == reject_reason(target, source, max_words)
    lengths = [len(word_spans(source)), len(word_spans(target))]
    fits = min(lengths) > 0 and max(lengths) <= max_words and source.strip() != target.strip()
    assert (reason is None) == fits
    if reason == TOO_LONG:
        assert reject_reason(source, target, max(lengths)) is None
    if reason in (BLANK, IDENTICAL):
        assert reject_reason(source, target, max(1, *lengths)) == reason
