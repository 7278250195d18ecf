"""FastAlign a second time: slow, in dictionaries and plain floats, straight from its description, to test the kernels.

Dyer, Chahuneau & Smith 2013, as the public C++ program behaves with `-d -o -v`. Source is the conditioning side with
n words, target the generated side with m words; positions count from 1, the null word is None.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

Pairs = Sequence[tuple[Sequence[str], Sequence[str]]]

UNSEEN = 1e-9
UNSIGNED = 2**32


def feature(j: int, i: int, m: int, n: int) -> float:
    return -abs(i / n - j / m)


def partition(j: int, m: int, n: int, tension: float) -> float:
    below = int(j * n / m)
    above = (n - below) % UNSIGNED
    ratio = math.exp(-tension / n)
    top = math.exp(tension * feature(j, below + 1, m, n)) * (1 - ratio**above) / (1 - ratio) if above else 0.0
    bottom = math.exp(tension * feature(j, below, m, n)) * (1 - ratio**below) / (1 - ratio) if below else 0.0
    return bottom + top


def arithmetico_geometric(a: float, g: float, r: float, d: float, c: int) -> float:
    return ((d * (c - 1) + a) * g * r**c - a * g) / (r - 1) - d * (g * r**c - g * r) / (r - 1) ** 2


def expected_feature(j: int, m: int, n: int, tension: float) -> float:
    """The expected feature of target word j; the partition has its two lengths exchanged, as the program has it."""
    below = int(j * n / m)
    above = (n - below) % UNSIGNED
    ratio = math.exp(-tension / n)
    total = 0.0
    for neighbour, terms in ((below + 1, above), (below, below)):
        if terms:
            start = feature(j, neighbour, m, n)
            total += arithmetico_geometric(start, math.exp(tension * start), ratio, -1 / n, terms)
    return total / partition(j, n, m, tension)


def expected_under_prior(j: int, m: int, n: int, tension: float) -> float:
    """The mean of the feature under the prior."""
    features = [feature(j, i, m, n) for i in range(1, n + 1)]
    weights = [math.exp(tension * h) for h in features]
    return math.fsum(h * w for h, w in zip(features, weights, strict=True)) / math.fsum(weights)


def digamma(x: float) -> float:
    result = 0.0
    while x < 7:
        result -= 1 / x
        x += 1
    y = x - 0.5
    return result + math.log(y) + 1 / (24 * y**2) - 7 / (960 * y**4) + 31 / (8064 * y**6) - 127 / (30720 * y**8)


@dataclass
class Reference:
    """One direction: fit it, then ask for links."""

    pairs: Pairs
    iterations: int = 5
    tension: float = 4.0
    null_probability: float = 0.08
    alpha: float = 0.01
    exact: bool = False  # whether the tension follows the derivative, not the published gradient
    tensions: list[float] = field(default_factory=list)
    cross_entropies: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pairs = [(source, target) for source, target in self.pairs if source and target]
        self.length_ratio = sum(len(target) / len(source) for source, target in self.pairs) / len(self.pairs)
        self.num_tokens = sum(len(target) for _, target in self.pairs)
        self.sizes = Counter((len(target), len(source)) for source, target in self.pairs)
        support: dict[str | None, set[str]] = defaultdict(set)
        for source, target in self.pairs:
            for word in (None, *source):
                support[word].update(target)
        self.table = {e: dict.fromkeys(sorted(row), UNSEEN) for e, row in support.items()}
        for iteration in range(1, self.iterations):
            counts, empirical = self.expectation()
            if iteration > 1:
                self.optimize_tension(empirical)
            self.maximization(counts)

    def joints(self, source: Sequence[str], word: str, j: int, m: int) -> list[float]:
        """Joint probability of a target word with null and with every source word."""
        n = len(source)
        divisor = partition(j, m, n, self.tension) / (1 - self.null_probability)
        values = [self.probability(None, word) * self.null_probability]
        for i, other in enumerate(source, start=1):
            prior = math.exp(self.tension * feature(j, i, m, n)) / divisor
            values.append(self.probability(other, word) * prior)
        return values

    def probability(self, e: str | None, f: str) -> float:
        return self.table.get(e, {}).get(f, UNSEEN)

    def expectation(self) -> tuple[dict[str | None, Counter[str]], float]:
        """Expected counts, and the observed mean of the feature, for which j counts from 0 unless it is to be exact."""
        counts: dict[str | None, Counter[str]] = {e: Counter() for e in self.table}
        empirical = likelihood = 0.0
        for source, target in self.pairs:
            m, n = len(target), len(source)
            for j, word in enumerate(target, start=1):
                values = self.joints(source, word, j, m)
                total = sum(values)
                likelihood += math.log(total)
                counts[None][word] += values[0] / total
                for i, other in enumerate(source, start=1):
                    counts[other][word] += values[i] / total
                    empirical += feature(j if self.exact else j - 1, i, m, n) * values[i] / total
        self.cross_entropies.append(-likelihood / math.log(2) / self.num_tokens)
        return counts, empirical / self.num_tokens

    def optimize_tension(self, empirical: float) -> None:
        for _ in range(8):
            model = 0.0
            for (m, n), frequency in self.sizes.items():
                mean = expected_under_prior if self.exact else expected_feature
                model += frequency * sum(mean(j, m, n, self.tension) for j in range(1, m + 1))
            self.tension += 20 * (empirical - model / self.num_tokens)
            self.tension = min(max(self.tension, 0.1), 14.0)
        self.tensions.append(self.tension)

    def maximization(self, counts: dict[str | None, Counter[str]]) -> None:
        for e, row in self.table.items():
            normalizer = digamma(math.fsum(counts[e][f] + self.alpha for f in row))
            for f in row:
                row[f] = math.exp(digamma(counts[e][f] + self.alpha) - normalizer)

    def links(self, source: Sequence[str], target: Sequence[str]) -> list[tuple[int, int]]:
        """(source, target) positions from 0, in the order of the target; null wins ties, then the first word."""
        found = []
        if not source:
            return found
        for j, word in enumerate(target, start=1):
            values = self.joints(source, word, j, len(target))
            best = values.index(max(values))
            if best:
                found.append((best - 1, j - 1))
        return found

    def score(self, source: Sequence[str], target: Sequence[str]) -> float:
        m, rate = len(target), 0.05 + len(source) * self.length_ratio
        total = m * math.log(rate) - math.lgamma(m + 1) - rate
        for j, word in enumerate(target, start=1):
            total += math.log(sum(self.joints(source, word, j, m)))
        return total
