"""What the best of a search is measured and trained again on, without Ray."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from weam_ray.measure.samples import Sample
from weam_ray.pipeline import StagePlan
from weam_ray.search import on_test
from weam_ray.search.ledger import COMPLETED, Trial
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Choice, Space
from weam_ray.search.trial import Trials
from weam_ray.settings.config import load_config
from weam_ray.store.home import Home

SPACE = Space.of({"encode.symmetrization": Choice(values=["intersect", "union"])})


@pytest.fixture
def trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trials:
    """Of a search over links, whose stages are never built."""
    config = load_config("bundled", [f"home={tmp_path}", "search.retrain=2"])

    def stages(config: Any, store: Any, plan: StagePlan) -> Any:
        return SimpleNamespace(config=config, encoded=SimpleNamespace(fingerprint=plan.encode.fingerprint))

    monkeypatch.setattr("weam_ray.search.trial.run_stages", stages)
    monkeypatch.setattr(on_test, "seen_by", lambda *_: ({"test": {}}, ["a note"]))
    return Trials(config, SPACE, Home.of(config, tmp_path), tmp_path, Rungs(10, 1, 5, 2))


def test_links_are_those_of_the_best_values(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of the search's own configuration, for the measurement and for the trainings with other seeds."""
    trained, measured = [], []

    def launch(job: Any) -> bool:
        trained.append((job.data.config.encode.symmetrization, job.settings.seeds.model))
        return True

    def on_the_device(settings: Any, function: Any, *arguments: Any) -> Any:
        measured.append(arguments[1].config.encode.symmetrization)
        sample = Sample(np.array([1.0, 0, 1, 1]), np.ones(4), np.arange(4))
        return 0.75, {"retrieval": [sample]}

    monkeypatch.setattr(on_test, "launch", launch)
    monkeypatch.setattr(on_test, "monitored", lambda *_: nullcontext())
    monkeypatch.setattr(on_test, "on_the_device", on_the_device)
    best = Trial(1, {"encode.symmetrization": "union"}, COMPLETED)
    found = on_test.worth(trials, best)
    first = trials.config.seeds.model
    assert trained == [("union", first + 1_000), ("union", first + 2_000)]
    assert measured == ["union"] * 3
    for own in (found["on_test"], *found["retrained"]):
        low, high = own["interval"]
        assert (own["value"], own["level"]) == (0.75, 0.95)
        assert low < 0.75 < high
    assert found["on_test"]["part"] == "test"
    assert (found["seen"], found["notes"]) == ({"test": {}}, ["a note"])


def test_a_search_by_a_task_is_not_measured_on_pairs(trials: Trials) -> None:
    config = trials.config.model_copy(
        update={"search": trials.config.search.model_copy(update={"metric": "task:sib200"})}
    )
    own = Trials(config, SPACE, trials.home, trials.folder, trials.rungs)
    assert on_test.worth(own, Trial(1, {}, COMPLETED)) == {"seen": {"test": {}}, "notes": ["a note"]}
