"""Rungs over one or several trainings of a trial."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from weam_ray.search.rungs import Rungs
from weam_ray.settings.search import SearchSection


def rungs(max_steps: int, **settings: Any) -> Rungs:
    return Rungs.of(SearchSection(**settings), max_steps)


def test_halving_from_a_quarter() -> None:
    assert rungs(450).steps() == [113, 226, 450]
    assert rungs(450).of_training(0) == (113, 226, 450)


def test_without_early_stopping_only_the_end_is_measured() -> None:
    assert rungs(450, early_stopping=False).steps() == [450]


def test_rungs_of_several_trainings() -> None:
    three = rungs(100, num_seeds=3, grace_share=0.2, reduction_factor=2)
    assert three.steps() == [60, 120, 240, 300]
    assert [three.of_training(number) for number in range(3)] == [(60, 100), (20, 100), (40, 100)]


@given(st.integers(1, 5_000), st.integers(1, 5), st.floats(0.01, 1), st.integers(2, 5), st.booleans())
def test_every_rung_is_measured_in_one_training(
    max_steps: int, num_seeds: int, grace: float, factor: int, stopping: bool
) -> None:
    own = rungs(max_steps, num_seeds=num_seeds, grace_share=grace, reduction_factor=factor, early_stopping=stopping)
    measured = [number * max_steps + step for number in range(num_seeds) for step in own.of_training(number)]
    assert set(own.steps()) <= set(measured)
    assert measured == sorted(set(measured))
    assert measured[-1] == own.whole == max_steps * num_seeds
    assert all(1 <= step <= max_steps for number in range(num_seeds) for step in own.of_training(number))
