"""Sentences that are nearly the same: sets of words with a Jaccard index of NEARLY or more.

They are found exactly, by prefix filtering (Bayardo, Ma & Srikant 2007, section 3.2): with all words in one order,
rare ones first, two sets that are as alike have a word in common among the first few of each.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence, Set
from fractions import Fraction

NEARLY = Fraction(4, 5)


class NearSentences:
    """Sentences, as sets of words, among which those that are nearly like another one are found."""

    def __init__(self, sentences: Sequence[Set[str]]) -> None:
        self.sentences = sentences
        frequencies = Counter(word for words in sentences for word in words)
        rising = sorted(frequencies, key=lambda word: (frequencies[word], word))
        self.ranks = {word: rank for rank, word in enumerate(rising)}
        self.with_word: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(sentences):
            for word in sorted(words, key=self.ranks.__getitem__)[: prefix(len(words))]:
                self.with_word[word].append(number)

    def like(self, words: Set[str]) -> Iterator[tuple[int, float]]:
        """Numbers of the sentences that are nearly like some words, and the Jaccard index of each, in no order."""
        known = sorted((word for word in words if word in self.ranks), key=self.ranks.__getitem__)
        strange = len(words) - len(known)  # words of no sentence, which come first in the order
        tried: set[int] = set()
        for word in known[: max(0, prefix(len(words)) - strange)]:
            for number in self.with_word.get(word, ()):
                if number not in tried:
                    tried.add(number)
                    both = len(words & self.sentences[number])
                    either = len(words) + len(self.sentences[number]) - both
                    if both * NEARLY.denominator >= either * NEARLY.numerator:
                        yield number, both / either


def prefix(size: int) -> int:
    """How many of the first words of a set, in an order of all words, decide whether it may be nearly like another."""
    needed = -(-size * NEARLY.numerator // NEARLY.denominator)  # in common, at least
    return size - needed + 1 if size else 0
