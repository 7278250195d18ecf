"""Statistics by hand, against scipy and against exact distributions, and what they call different of systems alike."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from weam_ray.evaluate import statistics
from weam_ray.evaluate.statistics import (
    DIFFERENT,
    DIFFERENT_HERE,
    IDENTICAL,
    NO_DIFFERENCE,
    NO_SPREAD,
    NOT_SHOWN,
    ONE_SEED,
    Examples,
    ExampleTest,
    Languages,
    Row,
    SeedTest,
    compare_languages,
    example_test,
    holm,
    judged_together,
    middle_95,
    resampled_scores,
    seed_test,
    smallest_p,
    summary,
)

LANGUAGES = ["en", "de", "ru", "zh", "sw", "ur"]


def right(rows: list[list[int]]) -> Examples:
    """Examples of an accuracy."""
    return Examples(np.array(rows, float), np.ones((len(rows), len(rows[0]))))


class TestSummary:
    def test_by_hand(self) -> None:
        found = summary([60.0, 62.0, 64.0])
        assert (found.mean, found.std, found.per_seed) == (62.0, 2.0, (60.0, 62.0, 64.0))

    def test_one_value_has_no_spread(self) -> None:
        assert summary([61.0]).std is None


class TestSeedTest:
    def test_by_hand(self) -> None:
        """Differences 1, 2, 3: mean 2, standard deviation 1, t = 2 sqrt(3), and 4.3027 is t's 0.975 with 2 degrees."""
        found = seed_test([1.0, 2.0, 3.0])
        assert found.difference == found.effect == 2.0
        assert found.t == pytest.approx(2 * 3**0.5)
        assert found.interval == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-4)
        assert found.p == pytest.approx(0.0741799, abs=1e-6)  # 1 - t / sqrt(2 + t²)
        assert (found.num_seeds, found.smallest_p, found.note) == (3, 0.25, None)

    @pytest.mark.parametrize("count", [2, 5, 30])
    def test_against_scipy(self, count: int) -> None:
        generator = np.random.default_rng(count)
        first, second = generator.normal(60, 1, count), generator.normal(60.5, 1, count)
        found, expected = seed_test(second - first), ttest_rel(second, first)
        assert (found.t, found.p) == pytest.approx((expected.statistic, expected.pvalue))
        assert found.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
        assert found.effect == pytest.approx(expected.statistic / count**0.5)

    def test_one_seed_makes_no_claim(self) -> None:
        found = seed_test([3.0])
        assert (found.difference, found.note) == (3.0, ONE_SEED)
        assert found.interval is found.t is found.p is found.effect is None

    def test_equal_scores(self) -> None:
        found = seed_test(np.array([60.1, 61.3, 62.2]) - np.array([60.1, 61.3, 62.2]))
        assert (found.difference, found.p, found.note) == (0.0, 1.0, NO_DIFFERENCE)
        assert found.interval is found.t is found.effect is None

    def test_a_constant_difference_is_not_certainty(self) -> None:
        """0.1 everywhere but for rounding: t would be 1e14, and its p 0."""
        found = seed_test(np.array([60.2, 61.4, 62.3]) - np.array([60.1, 61.3, 62.2]))
        assert found.difference == pytest.approx(0.1)
        assert (found.p, found.note) == (0.25, NO_SPREAD)
        assert found.interval is found.t is found.effect is None

    def test_smallest_p(self) -> None:
        assert [smallest_p(count) for count in (1, 2, 3, 5, 6)] == [1, 0.5, 0.25, 0.0625, 0.03125]


class TestHolm:
    def test_by_hand(self) -> None:
        """Sorted 0.01, 0.02, 0.03, 0.04 by 4, 3, 2, 1: 0.04, 0.06, 0.06 and, as it may not fall, 0.06."""
        assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])

    def test_at_most_one(self) -> None:
        assert holm([0.9, 0.4, 0.5]) == [1, 1, 1]
        assert holm([0.04]) == [0.04]
        assert holm([]) == []

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    def test_between_the_p_itself_and_bonferroni(self, values: list[float]) -> None:
        adjusted = holm(values)
        for p, own in zip(values, adjusted, strict=True):
            assert p <= own <= min(1, p * len(values)) + 1e-12
        assert [adjusted[k] for k in np.argsort(values, kind="stable")] == sorted(adjusted)


class TestExamples:
    def test_ratio_of_sums(self) -> None:
        """F1 of (2 * 3) / (4 + 6) and of nothing at all."""
        found = Examples(np.array([[2.0, 4.0], [0, 0]]), np.array([[4.0, 6.0], [0, 0]]))
        assert found.scores().tolist() == [60, 0]
        assert len(found) == 2

    def test_bad_shapes(self) -> None:
        for shape in ((2,), (2, 0), (2, 3)):
            with pytest.raises(AssertionError):
                Examples(np.ones(shape), np.ones((2, 2)))


class TestBootstrap:
    def test_against_the_exact_distribution(self) -> None:
        """Of one right and one wrong example a resample has 0, 1 or 2 right with probabilities 1/4, 1/2, 1/4."""
        (found,) = resampled_scores([right([[1, 0]])], 20_000)
        shares = [float(np.mean(found == score)) for score in (0, 50, 100)]
        assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.015)

    def test_ratio_of_sums_is_resampled_as_a_whole(self) -> None:
        """Two examples, 1 of 1 and 0 of 3: resamples 100, 25 and 0, never a mean of ratios 50."""
        (found,) = resampled_scores([Examples(np.array([[1.0, 0.0]]), np.array([[1.0, 3.0]]))], 500)
        assert set(found.tolist()) == {0, 25, 100}

    def test_spread_of_an_accuracy(self) -> None:
        """The standard error of a share: sqrt(p (1 - p) / N); two seeds that err alike have the same."""
        rows = [[1] * 300 + [0] * 100] * 2
        (found,) = resampled_scores([right(rows)])
        error = 100 * (0.75 * 0.25 / 400) ** 0.5
        assert found.mean() == pytest.approx(75, abs=0.2)
        assert found.std() == pytest.approx(error, rel=0.05)
        assert middle_95(found) == pytest.approx((75 - 1.96 * error, 75 + 1.96 * error), abs=0.4)

    def test_all_systems_and_seeds_see_the_same_draws(self) -> None:
        generator = np.random.default_rng(1)
        first = right(generator.integers(0, 2, (3, 50)).tolist())
        opposite = Examples(1 - first.numerators, first.denominators)
        one_seed = Examples(first.numerators[:1], first.denominators[:1])
        found = resampled_scores([first, opposite, one_seed, first], 200)
        np.testing.assert_allclose(found[0] + found[1], 100)
        np.testing.assert_array_equal(found[0], found[3])
        np.testing.assert_array_equal(found[2], resampled_scores([one_seed], 200)[0])

    def test_draws_are_pinned_to_the_seed_and_not_to_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        systems = [right(np.random.default_rng(2).integers(0, 2, (2, 40)).tolist())]
        whole, other = resampled_scores(systems, 100), resampled_scores(systems, 100, seed=1)
        monkeypatch.setattr(statistics, "_BLOCK", 120)
        np.testing.assert_array_equal(resampled_scores(systems, 100), whole)
        assert not np.array_equal(other, whole)

    def test_a_million_examples_take_little_memory(self) -> None:
        system = Examples(np.ones((1, 10**6)), np.ones((1, 10**6)))
        tracemalloc.start()
        resampled_scores([system], 8)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100e6  # 8 rows of indices alone would be 64 MB, 2,000 of them 16 GB

    def test_difference_against_the_exact_distribution(self) -> None:
        """Of N paired differences, one -1 and the others 0, a resample is 0 where it misses the one: (1 - 1/N)^N."""
        first, second = right([[1, 1, 1, 1]]), right([[0, 1, 1, 1]])
        ours, theirs = resampled_scores([first, second], 20_000)
        found = example_test(-25.0, theirs - ours)
        assert found.p == pytest.approx(2 * (3 / 4) ** 4, abs=0.02)
        assert found.interval == (-75, 0)  # P(3 or 4 of 4) = 0.051 above 0.025, P(4) = 0.004 below

    def test_p_is_never_zero(self) -> None:
        assert example_test(5.0, np.full(1999, 5.0)).p == 2 / 2000
        assert example_test(-5.0, np.full(1999, -5.0)).p == 2 / 2000

    def test_nothing_differs(self) -> None:
        found = example_test(0.0, np.array([0.0, 1e-14, -1e-14]))
        assert found.p == 1
        assert found.interval == pytest.approx((0, 0))


def same_as(first: Examples, second: Examples) -> Callable[[str], tuple[Examples, Examples]]:
    """Two systems that are alike in every language."""
    return lambda language: (first, second)


class TestLanguages:
    def test_average_gap_and_worst_by_hand(self) -> None:
        of = {
            "en": (right([[1, 1, 1, 1], [1, 1, 1, 0]]), right([[1, 1, 1, 1], [1, 1, 1, 1]])),
            "de": (right([[1, 1, 0, 0], [1, 1, 0, 0]]), right([[1, 1, 1, 0], [1, 0, 0, 0]])),
            "sw": (right([[1, 0, 0, 0], [0, 0, 0, 0]]), right([[1, 1, 1, 0], [1, 1, 1, 0]])),
        }
        found = compare_languages(list(of), of.__getitem__)
        assert found.average is not None
        assert found.average.first.per_seed == (37.5, 25)
        assert found.average.second.per_seed == (75, 50)
        assert (found.average.seeds.difference, found.average.num_examples) == (31.25, 8)
        assert found.average.seeds.p == found.average.adjusted_p  # a family of one
        assert found.gap is not None
        assert [gap.per_seed for gap in found.gap] == [(62.5, 50), (25, 50)]
        assert [(name, score.mean) for name, score in found.worst] == [("sw", 12.5), ("de", 50)]
        worst = compare_languages(list(of), of.__getitem__, lower_is_better=True).worst
        assert [name for name, _ in worst] == ["de", "sw"]
        assert [row.adjusted_p for row in found.rows] == holm([row.seeds.p or 0 for row in found.rows])
        assert {row.verdict for row in found.rows} == {NOT_SHOWN}

    def test_parallel_languages_are_drawn_alike(self) -> None:
        """A language and its exact opposite: with the same draws their average never moves."""
        systems = {"de": right([[1, 0] * 50]), "ru": right([[0, 1] * 50])}
        found = compare_languages(list(systems), lambda language: (systems[language], systems[language]))
        assert found.average is not None
        assert found.average.intervals[0] == pytest.approx((50, 50))
        assert found.rows[0].intervals[0][0] < 45

    def test_without_other_languages(self) -> None:
        one = right([[1, 0], [1, 1]])
        assert compare_languages(["en"], same_as(one, one)).average is None
        found = compare_languages(["de"], same_as(one, one))
        assert found.average is not None
        assert found.gap is None

    def test_identical(self) -> None:
        one = right([[1, 0, 1], [1, 1, 1]])
        for by_examples in (False, True):
            found = compare_languages(["en", "de"], same_as(one, one), by_examples)
            assert {row.verdict for row in [*found.rows, found.average]} == {IDENTICAL}
            assert {row.adjusted_p for row in found.rows} == {1}

    def test_the_same_scores_are_not_identical_predictions(self) -> None:
        found = compare_languages(["de"], same_as(right([[1, 0], [1, 0]]), right([[0, 1], [0, 1]])))
        assert found.rows[0].verdict == NOT_SHOWN
        assert found.rows[0].seeds.note == NO_DIFFERENCE

    def test_other_denominators_are_not_identical(self) -> None:
        """An F1 with another number of predictions."""
        first = right([[1, 0], [1, 0]])
        found = compare_languages(["de"], same_as(first, Examples(first.numerators, 2 * first.denominators)))
        assert found.rows[0].verdict == NOT_SHOWN

    def test_one_seed(self) -> None:
        found = compare_languages(["de"], same_as(right([[0] * 50]), right([[1] * 50])))
        assert (found.rows[0].verdict, found.rows[0].adjusted_p) == (NOT_SHOWN, None)

    def test_one_model_against_several(self) -> None:
        first, second = right([[1, 0, 0, 0]]), right([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0]])
        row = compare_languages(["de"], same_as(first, second)).rows[0]
        assert (row.first.std, row.first.mean) == (None, 25)
        assert row.seeds.num_seeds == 3
        assert row.seeds.difference == row.examples.difference == pytest.approx(100 / 3)

    def test_by_examples(self) -> None:
        generator = np.random.default_rng(0)
        rows = generator.random((1, 300)) < 0.5
        better = rows | (generator.random((1, 300)) < 0.2)
        first, second = Examples(rows * 1.0, np.ones(rows.shape)), Examples(better * 1.0, np.ones(rows.shape))
        found = compare_languages(["en", "de"], same_as(first, second), by_examples=True)
        assert {row.verdict for row in [*found.rows, found.average]} == {DIFFERENT_HERE}

    def test_of_many_languages_the_bootstrap_can_still_tell(self) -> None:
        names = [f"l{k}" for k in range(112)]
        found = compare_languages(names, same_as(right([[0] * 20]), right([[1] * 20])), by_examples=True)
        assert {row.verdict for row in found.rows} == {DIFFERENT_HERE}


def answers(generator: np.random.Generator, ability: np.ndarray, skill: np.ndarray) -> Examples:
    """Examples have their own difficulty (the same for both systems), seeds their own skill, (seeds, 1)."""
    found = generator.random((len(skill), len(ability))) < 1 / (1 + np.exp(-(ability + skill)))
    return Examples(found.astype(float), np.ones(found.shape))


def simulated(seed: int, better: float, num_seeds: int = 5, spread: float = 0.15) -> Languages:
    """Two systems, the second better by so many logits; `spread` is the standard deviation of the skill of seeds."""
    generator = np.random.default_rng(seed)

    def load(language: str) -> tuple[Examples, Examples]:
        ability = generator.normal(0.5, 1.5, 300)
        skills = generator.normal(0, spread, (2, num_seeds, 1))
        return answers(generator, ability, skills[0]), answers(generator, ability, better + skills[1])

    return compare_languages(LANGUAGES, load, num_seeds == 1, num_resamples=500 if num_seeds == 1 else 20)


class TestSimulation:
    def test_systems_alike_are_seldom_called_different(self) -> None:
        """6 languages, 5 seeds, 300 examples: at most 7 % of pairs and languages, of pairs with any, and of averages.

        Of 200 pairs, as few as 9 in 1,000 pairs and languages are. Pairs with any are about 5 %; to tell that from 7 %
        takes more of them.
        """
        found = [simulated(seed, 0.0) for seed in range(600)]
        called = np.array([[row.verdict == DIFFERENT for row in each.rows] for each in found])
        assert called.shape == (600, 6)
        assert called[:200].mean() <= 0.07
        assert called[:200].any(axis=1).mean() <= 0.07
        assert called.any(axis=1).mean() <= 0.07
        assert np.mean([each.average is not None and each.average.verdict == DIFFERENT for each in found]) <= 0.07
        # without Holm about 5 % of languages are, so the test is not only shy
        assert 0.04 < np.mean([[(row.seeds.p or 0) < 0.05 for row in each.rows] for each in found]) < 0.06

    def test_a_real_difference_is_found(self) -> None:
        """0.9 logits, 6 standard deviations of seeds."""
        found = [simulated(seed, 0.9) for seed in range(20)]
        assert np.mean([row.verdict == DIFFERENT for each in found for row in each.rows]) > 0.9
        assert all(each.average is not None and each.average.verdict == DIFFERENT for each in found)

    def test_one_model_each(self) -> None:
        """Two models of the same skill are seldom called different on a test set by the bootstrap."""
        found = [simulated(seed, 0.0, num_seeds=1, spread=0.0) for seed in range(40)]
        assert np.mean([[row.verdict == DIFFERENT_HERE for row in each.rows] for each in found]) <= 0.03
        assert 0.01 < np.mean([[row.examples.p < 0.05 for row in each.rows] for each in found]) < 0.08


class TestAverages:
    """Of several tasks and pairs of systems: one family."""

    @staticmethod
    def average(p: float | None, verdict: str = NOT_SHOWN) -> Row:
        one = summary([1.0, 2.0])
        test = SeedTest(2, 1.0, None, None, p, None, 0.5, None)
        return Row("average", 9, one, one, ((0, 1), (0, 1)), test, ExampleTest(1.0, (0, 2), 0.5), None, verdict)

    def test_holm_over_those_with_a_p(self) -> None:
        rows = [self.average(0.01), None, self.average(0.03), self.average(None), self.average(0.04)]
        found = judged_together(rows, [(False, DIFFERENT)] * 5)
        assert found[1] is None
        adjusted = [row and row.adjusted_p for row in found]
        assert adjusted == [pytest.approx(0.03), None, pytest.approx(0.06), None, pytest.approx(0.06)]
        assert [row and row.verdict for row in found] == [DIFFERENT, None, NOT_SHOWN, NOT_SHOWN, NOT_SHOWN]

    def test_a_verdict_from_before_does_not_stay(self) -> None:
        rows = [self.average(0.03, DIFFERENT), self.average(0.04, DIFFERENT), self.average(1.0, IDENTICAL)]
        found = judged_together(rows, [(False, DIFFERENT)] * 3)
        assert [row and row.verdict for row in found] == [NOT_SHOWN, NOT_SHOWN, IDENTICAL]

    def test_examples_decide_where_they_are_to(self) -> None:
        (row,) = judged_together([self.average(0.001)], [(True, DIFFERENT)])
        assert row is not None
        assert (row.adjusted_p, row.verdict) == (0.5, NOT_SHOWN)
