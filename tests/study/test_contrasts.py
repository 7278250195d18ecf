"""The tests of claims: against SciPy's own, by simulation, and on systems that are better, equal, or copies."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr, ttest_1samp, ttest_rel

from tests.support.studies import given, row, scores, trained
from weam_ray.errors import UserError
from weam_ray.settings.study import Arm, Contrast
from weam_ray.study.contrasts import (
    FINE_TUNINGS,
    METHODS,
    Differences,
    correlated,
    detectable,
    differences,
    equivalent,
    greater,
)

BASE = {"intermediate": "none", "setting": "zero-shot", "tasks": ["sib200"]}


def arm(system: str, **more: Any) -> Arm:
    return Arm.model_validate({**BASE, "system": system, **more})


def contrast(better: str, than: str, **more: Any) -> Contrast:
    return Contrast(better=arm(better, **more), than=arm(than, **more))


def of(values: list[float]) -> Differences:
    return Differences(np.array(values), METHODS)


class TestDifferences:
    def test_two_methods_are_paired_by_their_pre_training_seed(self) -> None:
        own = scores(trained("weam", [60.0, 62.0, 67.0]), reversed(trained("tlm", [50.0, 53.0, 55.0])))
        found = differences(contrast("weam", "tlm"), own, {})
        assert found.values.tolist() == [10.0, 9.0, 12.0]
        assert found.units == METHODS

    def test_fine_tunings_of_one_encoder_are_one_unit(self) -> None:
        again = [
            {**own, "finetuning_seed": own["finetuning_seed"] + 10, "value": own["value"] + 4}
            for own in trained("weam", [60.0, 62.0])
        ]
        own = scores(trained("weam", [60.0, 62.0]), again, trained("tlm", [50.0, 50.0]))
        assert differences(contrast("weam", "tlm"), own, {}).values.tolist() == [12.0, 14.0]

    def test_a_given_encoder_stands_against_each_by_the_fine_tuning_seed(self) -> None:
        own = scores(trained("weam", [60.0, 62.0]), given("plain", [50.0, 54.0, 90.0]))
        found = differences(contrast("weam", "plain"), own, {})
        assert found.values.tolist() == [10.0, 8.0]
        assert found.units == METHODS

    def test_copies_count_once(self) -> None:
        rows = trained("weam", [60.0, 61.0, 65.0])
        rows[1]["weights"] = rows[0]["weights"]
        found = differences(contrast("weam", "plain"), scores(rows, given("plain", [50.0, 50.0, 50.0])), {})
        assert len(found.values) == 2

    def test_copies_are_known_by_their_weights(self) -> None:
        rows = trained("tlm", [50.0, 51.0])
        copy = [{**own, "system": "weam"} for own in rows]
        assert differences(contrast("weam", "tlm"), scores(rows, copy), {}).copies
        other = trained("weam", [50.0, 51.0])
        assert not differences(contrast("weam", "tlm"), scores(rows, other), {}).copies

    def test_of_one_given_encoder_fine_tunings_are_the_units(self) -> None:
        after = given("plain", [55.0, 57.0], intermediate="clinc")
        one = Contrast(better=arm("plain", intermediate="clinc"), than=arm("plain"))
        found = differences(one, scores(given("plain", [50.0, 51.0]), after), {})
        assert (found.values.tolist(), found.units) == ([5.0, 6.0], FINE_TUNINGS)

    def test_two_given_encoders_are_one_number(self) -> None:
        own = scores(given("plain", [50.0, 52.0]), given("other", [60.0, 62.0]))
        assert differences(contrast("other", "plain"), own, {}).values.tolist() == [10.0]

    def test_languages_and_tasks_are_averaged_and_groups_written_out(self) -> None:
        rows = [
            own
            for language, shift in (("de", 0.0), ("ru", 10.0), ("en", 30.0))
            for system, start in (("weam", 50.0), ("tlm", 40.0))
            for own in trained(system, [start + shift, start + 2 * shift], language=language)
        ]
        rows += [own for name in ("weam", "tlm") for own in trained(name, [70.0, 80.0], task="udpos", language="de")]
        both = differences(contrast("weam", "tlm", tasks=["sib200", "udpos"], languages=["de"]), scores(rows), {})
        assert both.values.tolist() == [5.0, 5.0]
        for languages in ([], ["all"], ["cyrillic", "de"], ["ru", "de"]):  # of all English is left out
            found = differences(contrast("weam", "tlm", languages=languages), scores(rows), {"cyrillic": ["ru"]})
            assert found.values.tolist() == [10.0, 10.0]

    def test_less_is_better_where_errors_are_counted(self) -> None:
        own = [*trained("weam", [30.0, 31.0], metric="aer"), *trained("tlm", [40.0, 45.0], metric="aer")]
        assert differences(contrast("weam", "tlm"), scores(own), {}).values.tolist() == [10.0, 14.0]

    def test_an_interaction_is_the_difference_of_differences(self) -> None:
        cells = {("weam", "none"): 50.0, ("weam", "in"): 60.0, ("tlm", "none"): 40.0, ("tlm", "in"): 44.0}
        rows = [
            own
            for (system, name), value in cells.items()
            for own in trained(system, [value, value + 1.0], intermediate=name)
        ]
        one = Contrast(
            better=arm("weam", intermediate="in"),
            than=arm("weam"),
            beyond=Contrast(better=arm("tlm", intermediate="in"), than=arm("tlm")),
        )
        assert differences(one, scores(rows), {}).values.tolist() == [6.0, 6.0]

    def test_learning_rates_that_were_not_chosen_do_not_count(self) -> None:
        rejected = [{**own, "chosen": False, "value": 0.0} for own in trained("weam", [60.0, 62.0])]
        own = scores(rejected, trained("weam", [60.0, 62.0]), trained("tlm", [50.0, 50.0]))
        assert differences(contrast("weam", "tlm"), own, {}).values.tolist() == [10.0, 12.0]

    def test_what_has_no_seed_counts_for_all_fine_tunings(self) -> None:
        measured = [row("weam", 80.0, f"weam-{k}", k, None, task="tatoeba") for k in (1, 2)]
        measured += [row("tlm", 60.0, f"tlm-{k}", k, None, task="tatoeba") for k in (1, 2)]
        own = scores(trained("weam", [60.0, 62.0]), trained("tlm", [50.0, 50.0]), measured)
        found = differences(contrast("weam", "tlm", tasks=["sib200", "tatoeba"]), own, {})
        assert found.values.tolist() == [15.0, 16.0]

    def test_a_score_that_is_not_there_is_a_sentence(self) -> None:
        own = scores(trained("weam", [60.0, 62.0]))
        with pytest.raises(UserError, match="no score of tlm, intermediate none, zero-shot, on sib200, de"):
            differences(contrast("weam", "tlm"), own, {})


class TestGreater:
    def test_as_the_paired_test(self) -> None:
        first, second = [60.0, 62.0, 61.0, 66.0, 63.0], [55.0, 58.0, 59.0, 57.0, 60.0]
        own = greater(of([a - b for a, b in zip(first, second, strict=True)]), 0.0)
        known = ttest_rel(first, second)
        low, high = known.confidence_interval()
        assert own.p == pytest.approx(known.pvalue)
        assert own.interval == pytest.approx((low, high))
        assert own.supports

    def test_a_margin_moves_what_is_tested(self) -> None:
        values = [4.0, 5.0, 6.0, 5.5, 4.5]
        assert greater(of(values), 3.0).p == pytest.approx(ttest_1samp(values, 3.0).pvalue)
        assert not greater(of(values), 8.0).supports

    def test_one_unit_says_nothing(self) -> None:
        found = greater(of([5.0]), 0.0)
        assert (found.p, found.interval, found.num_units) == (None, None, 1)

    def test_a_copy_is_not_better(self) -> None:
        found = greater(replace(of([0.0, 0.0, 0.0]), copies=True), 0.0)
        assert (found.p, found.supports) == (0.0, False)

    def test_others_that_score_alike_are_undecided(self) -> None:
        assert greater(of([0.0, 0.0, 0.0]), 0.0).p == 1.0

    def test_no_spread_claims_no_certainty(self) -> None:
        assert greater(of([2.0, 2.0, 2.0]), 0.0).p == 0.25


class TestEquivalent:
    def test_two_one_sided_tests(self) -> None:
        values = [0.5, -0.2, 0.1, 0.3, -0.4]
        sides = [
            ttest_1samp(values, -2.0, alternative="greater").pvalue,
            ttest_1samp(values, 2.0, alternative="less").pvalue,
        ]
        found = equivalent(of(values), 2.0)
        assert found.p == pytest.approx(2 * max(sides))
        assert found.supports

    def test_what_lies_outside(self) -> None:
        values = [5.0, 6.0, 5.5, 6.5, 5.2]
        found = equivalent(of(values), 2.0)
        assert found.p == pytest.approx(2 * ttest_1samp(values, 2.0, alternative="greater").pvalue)
        assert not found.supports

    def test_copies_are_the_same(self) -> None:
        found = equivalent(replace(of([0.0, 0.0]), copies=True), 1.0)
        assert (found.p, found.supports) == (0.0, True)


class TestCorrelated:
    def test_as_pearson(self) -> None:
        x, y = [1.0, 2.0, 3.0, 5.0, 8.0], [2.0, 1.0, 4.0, 6.0, 7.0]
        found, known = correlated(x, y), pearsonr(x, y)
        assert (found.effect, found.p) == pytest.approx((known.statistic, known.pvalue))
        assert found.interval is not None
        assert found.interval[0] < found.effect < found.interval[1]

    @pytest.mark.parametrize(("x", "y"), [([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), ([1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0])])
    def test_too_little_says_nothing(self, x: list[float], y: list[float]) -> None:
        assert correlated(x, y).p is None


class TestSimulation:
    """By drawn differences, always the same."""

    def test_equal_methods_are_called_different_one_time_in_twenty(self) -> None:
        drawn = np.random.default_rng(1).normal(0, 1, (2000, 5))
        share = np.mean([(greater(of(list(values)), 0.0).p or 0) < 0.05 for values in drawn])
        assert share == pytest.approx(0.05, abs=0.015)

    def test_the_detectable_effect_is_found_four_times_in_five(self) -> None:
        spread = detectable(np.array([-1.0, 0.0, 1.0, 0.5, -0.5])) / np.std([-1.0, 0.0, 1.0, 0.5, -0.5], ddof=1)
        drawn = np.random.default_rng(2).normal(spread, 1, (2000, 5))
        share = np.mean([(greater(of(list(values)), 0.0).p or 0) < 0.05 for values in drawn])
        assert share == pytest.approx(0.8, abs=0.03)

    def test_what_lies_at_the_margin_is_seldom_called_equivalent(self) -> None:
        drawn = np.random.default_rng(3).normal(1, 1, (2000, 5))
        found = [equivalent(of(list(values)), 1.0) for values in drawn]
        assert np.mean([own.supports and (own.p or 0) < 0.05 for own in found]) < 0.04
