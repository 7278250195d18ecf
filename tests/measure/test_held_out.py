"""What a search compares trials by, from the figures of held-out pairs."""

import math
from typing import Any

import pytest

from weam_ray.measure.held_out import FIGURES, HeldOut
from weam_ray.settings.search import METRICS

RETRIEVAL = {
    "de": {"to_english": 0.5, "from_english": 0.3, "to_english_uncentred": 0.01},
    "ru": {"to_english": 0.1, "from_english": 0.1, "to_english_uncentred": 0.01},
}


class Measured(HeldOut):
    """Pairs whose figures are known."""

    def __init__(self, *accuracies: float) -> None:
        self.accuracies = accuracies

    def retrieval(self, *_: Any) -> Any:
        return RETRIEVAL

    def prediction_alone(self, *_: Any) -> Any:
        return {f"l{number}": {"accuracy": own, "loss": 1.0} for number, own in enumerate(self.accuracies)}


def test_every_metric_of_a_search_is_measured() -> None:
    assert set(FIGURES) == set(METRICS)


def test_retrieval_is_the_mean_over_languages_and_both_ways() -> None:
    value, figures = FIGURES["retrieval"](Measured(), None, None, None)
    assert value == pytest.approx(0.25)
    assert figures["retrieval_after/de/to_english"] == 0.5


@pytest.mark.parametrize(("accuracies", "expected"), [((0.2, 0.6), 0.4), ((0.0, 0.0), 0.0), ((), 0.0)])
def test_joined_with_prediction_it_is_worth_nothing_without(accuracies: tuple[float, ...], expected: float) -> None:
    value, figures = FIGURES["retrieval_and_prediction"](Measured(*accuracies), None, None, None)
    assert value == pytest.approx(math.sqrt(0.25 * expected))
    assert figures["retrieval_after/mean/to_english"] == pytest.approx(0.3)
    assert {name for name in figures if name.endswith("accuracy")} == {
        f"sentences_after/l{number}/accuracy" for number in range(len(accuracies))
    }
