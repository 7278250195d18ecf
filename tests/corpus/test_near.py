"""Sentences that are nearly the same: all of them are found, and nothing else."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from weam_ray.corpus.near import NEARLY, NearSentences, prefix

WORDS = st.frozensets(st.sampled_from("abcdefghijkl"), max_size=10)


@given(st.lists(WORDS, max_size=12), st.lists(WORDS, max_size=6))
def test_as_each_against_each(sentences: list[frozenset[str]], others: list[frozenset[str]]) -> None:
    near = NearSentences(sentences)
    for words in [*others, *(own | {"#"} for own in sentences)]:
        jaccard = {k: Fraction(len(words & own), len(words | own)) for k, own in enumerate(sentences) if words | own}
        expected = {k: float(index) for k, index in jaccard.items() if index >= NEARLY}
        found = list(near.like(words))
        assert dict(found) == expected
        assert len(found) == len(expected)


def test_on_the_edge() -> None:
    """Four words of five are nearly the same, and three of four are not."""
    near = NearSentences([frozenset("abcd"), frozenset("xyz")])
    assert list(near.like(frozenset("abcde"))) == [(0, 0.8)]
    assert list(near.like(frozenset("wxyz"))) == []


def test_prefix() -> None:
    assert [prefix(size) for size in (0, 1, 2, 4, 5, 10, 11)] == [0, 1, 1, 1, 2, 3, 3]
