"""Values as means over examples, and the interval of a bootstrap over what these are examples of."""

import numpy as np
import pytest

from weam_ray.measure.samples import Sample, interval, intervals, value_of


def shares(values: list[float], units: list[int] | None = None) -> Sample:
    numbers = np.arange(len(values)) if units is None else np.array(units)
    return Sample(np.array(values), np.ones(len(values)), numbers)


def test_the_value_is_a_geometric_mean_of_means() -> None:
    kinds = {"retrieval": [shares([1, 0, 0, 0]), shares([1, 1, 1, 0])], "accuracy": [shares([1, 1, 0, 0, 0, 0, 0, 0])]}
    assert value_of(kinds) == pytest.approx(np.sqrt(0.5 * 0.25))
    assert value_of({"loss": [Sample(np.array([3.0, 5.0]), np.array([1.0, 3.0]), np.arange(2))]}) == 2.0


def test_of_a_share_it_is_that_of_the_binomial() -> None:
    """Of 400 with a share of .3 the standard error is .0229."""
    hits = np.zeros(400)
    hits[np.random.default_rng(0).permutation(400)[:120]] = 1
    found = interval({"retrieval": [shares(list(hits))]}, seed=1)
    assert found is not None
    assert found == pytest.approx((0.3 - 1.96 * 0.0229, 0.3 + 1.96 * 0.0229), abs=0.006)


def test_translations_of_a_sentence_are_drawn_together() -> None:
    """Five languages that agree on every sentence say no more than one."""
    hits = [1.0] * 60 + [0.0] * 140
    one = interval({"retrieval": [shares(hits)]}, seed=1)
    five = interval({"retrieval": [shares(hits)] * 5}, seed=1)
    apart = interval({"retrieval": [shares(hits, list(range(k * 200, k * 200 + 200))) for k in range(5)]}, seed=1)
    assert one is not None
    assert apart is not None
    assert five == pytest.approx(one)
    assert (apart[1] - apart[0]) < 0.6 * (one[1] - one[0])


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 100 samples of a known share, 95 % of the intervals hold it: at least 88."""
    generator = np.random.default_rng(5)
    held = 0
    for draw in range(100):
        found = interval({"retrieval": [shares(list((generator.random(150) < 0.4).astype(float)))]}, seed=draw)
        assert found is not None
        held += found[0] <= 0.4 <= found[1]
    assert held >= 88


def test_the_seed_makes_it_repeatable() -> None:
    kinds = {"retrieval": [shares([1.0, 0.0, 1.0, 1.0, 0.0])], "accuracy": [shares([0.0, 1.0, 1.0], [10, 11, 12])]}
    assert interval(kinds, 3) == interval(kinds, 3)


def test_of_one_sentence_there_is_none() -> None:
    assert interval({"retrieval": [shares([1.0], [4]), shares([0.0], [4])]}, 1) is None


def test_several_by_name_and_none_of_one_sentence() -> None:
    own, other = shares([1.0, 0.0, 1.0, 1.0]), shares([0.0, 0.0, 1.0, 0.0])
    found = intervals({"de": own, "mean": [own, other], "one": shares([1.0])})
    assert list(found) == ["de", "mean"]
    for name, samples in (("de", [own]), ("mean", [own, other])):
        assert found[name] == list(interval({"any": samples}, 0) or ())
