"""What a search compares trials by, from the figures of held-out pairs."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from weam_ray.errors import UserError
from weam_ray.measure.held_out import FIGURES, HeldOut
from weam_ray.measure.prediction import Predictions
from weam_ray.measure.samples import value_of
from weam_ray.settings.config import load_config
from weam_ray.settings.search import METRICS

SETTINGS = load_config("bundled").of_training()

RETRIEVAL = {
    "de": {"to_english": 0.5, "from_english": 0.3, "to_english_uncentred": 0.01},
    "ru": {"to_english": 0.1, "from_english": 0.1, "to_english_uncentred": 0.01},
}


class Measured(HeldOut):
    """Pairs whose figures are known."""

    def __init__(self, *accuracies: float) -> None:
        self.accuracies = accuracies

    def check_pairs(self) -> None: ...

    def hits(self, *_: Any) -> Any:
        def of(share: float) -> Any:
            return np.arange(100) < 100 * share

        return {
            name: ({way: of(share) for way, share in own.items()}, np.arange(100)) for name, own in RETRIEVAL.items()
        }

    def sentences(self) -> Any:
        return {f"l{number}": [share] for number, share in enumerate(self.accuracies)}


@pytest.fixture(autouse=True)
def predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten masked tokens of each language, of which a share is right."""

    def predictions(model: Any, tokenizer: Any, rows: list[float], *_: Any) -> Predictions:
        nothing, right = torch.zeros(10, dtype=torch.float64), (torch.arange(10) < 10 * rows[0]).double()
        none = np.zeros(10, np.int64)
        return Predictions(none, none, none > 0, nothing + 1, right, nothing, nothing)

    monkeypatch.setattr("weam_ray.measure.held_out.predictions", predictions)


def test_every_metric_of_a_search_is_measured() -> None:
    assert set(FIGURES) == set(METRICS)


def test_retrieval_is_the_mean_over_languages_and_both_ways() -> None:
    found = FIGURES["retrieval"](Measured(), None, None, SETTINGS)
    assert found.value == pytest.approx(0.25)
    assert value_of(found.samples) == pytest.approx(found.value)
    assert found.figures["retrieval_after/de/to_english"] == 0.5


@pytest.mark.parametrize(("accuracies", "expected"), [((0.2, 0.6), 0.4), ((0.0, 0.0), 0.0), ((), 0.0)])
def test_joined_with_prediction_it_is_worth_nothing_without(accuracies: tuple[float, ...], expected: float) -> None:
    found = FIGURES["retrieval_and_prediction"](Measured(*accuracies), None, None, SETTINGS)
    figures = found.figures
    assert found.value == pytest.approx(math.sqrt(0.25 * expected))
    assert value_of(found.samples) == pytest.approx(found.value)
    assert figures["retrieval_after/mean/to_english"] == pytest.approx(0.3)
    assert {name for name in figures if name.endswith("accuracy")} == {
        f"sentences_after/l{number}/accuracy" for number in range(len(accuracies))
    }


@pytest.mark.parametrize("metric", METRICS)
def test_without_pairs_there_is_nothing_to_compare_by(metric: str) -> None:
    with pytest.raises(UserError, match=r"^No pairs are held out to compare by: corpus\.held_out is too low"):
        FIGURES[metric](HeldOut({("en", ""): []}), None, None, SETTINGS)
