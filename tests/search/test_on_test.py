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
        encoded, corpus = (SimpleNamespace(fingerprint=stage.fingerprint) for stage in (plan.encode, plan.corpus))
        return SimpleNamespace(config=config, encoded=encoded, corpus=corpus, base=plan.base)

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


def test_a_task_is_measured_on_its_development_data(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which it was chosen by, and of which no more are for a search; other seeds are measured on them too."""
    task = Trials(
        load_config("bundled", [f"home={trials.folder}", "search.retrain=1", "search.metric=task:sib200"]),
        SPACE, trials.home, trials.folder, trials.rungs,
    )  # fmt: skip
    measured = []

    def on_the_device(settings: Any, function: Any, own: Any, model: Path) -> Any:
        measured.append((function.__name__, own.task, model.parent.name))
        return 0.5, {"development_after/sib200": [Sample(np.array([1.0, 0]), np.ones(2), np.arange(2))]}

    monkeypatch.setattr(on_test, "launch", lambda job: True)
    monkeypatch.setattr(on_test, "monitored", lambda *_: nullcontext())
    monkeypatch.setattr(on_test, "on_the_device", on_the_device)
    found = on_test.worth(task, Trial(1, {"encode.symmetrization": "union"}, COMPLETED))
    assert measured == [("value_on_development", "sib200", "seed-1"), ("value_on_development", "sib200", "seed-2")]
    assert "on_test" not in found
    assert (found["on_development"]["part"], found["on_development"]["value"]) == ("dev", 0.5)
    assert found["on_development"]["interval"] == [0.0, 1.0]
    assert [own["value"] for own in found["retrained"]] == [0.5]
