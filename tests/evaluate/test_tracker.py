"""An evaluation in MLflow: each run and the results are told once, whatever the store does meanwhile."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from weam_ray.errors import UserError
from weam_ray.evaluate.tracker import EvaluationTracker
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.tracking.client import PARENT

LOCKED = MlflowException("database is locked", error_code=2)  # TEMPORARILY_UNAVAILABLE
RECORD = {
    "task": "sib200",
    "seed": 1,
    "model": "a",
    "fingerprint": "f",
    "seconds": 3.0,
    "history": [{"epoch": 1.0, "accuracy": 50.0}, {"epoch": 2.0, "accuracy": 50.0}],
    "scores": {"en": {"accuracy": 60.0}, "de": {"accuracy": 40.0}},
}
RESULT = {"sib200": {"de": {"metric": "accuracy", "mean": 40.0, "std": None, "majority": 25.0}}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def tracker_of(home: Path, folder: Path) -> EvaluationTracker:
    settings = EvaluationSettings(system="plain", models=["a"], tasks=["sib200"], output=str(folder))
    return EvaluationTracker(settings, home, folder / "state.json")


@pytest.mark.parametrize("answer_lost", [False, True])
def test_a_store_that_fails_at_any_request(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer_lost: bool
) -> None:
    """Request after request fails once, each time the first that has not failed yet; then all is given again."""
    tracker = tracker_of(home, tmp_path)
    tracker.add_run("sib200-1", RECORD)
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    tracker.add_results(RESULT, [tmp_path / "result.json"])
    requests, failed = 0, 0

    def unsteady(own: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal requests, failed
            requests += 1
            fails = requests > failed
            failed += fails
            if fails and not answer_lost:
                raise LOCKED
            result = own(*arguments, **more)
            if fails:
                raise LOCKED
            return result

        return call

    with monkeypatch.context() as patch:
        for name in ("create_run", "log_batch", "set_terminated", "log_artifact", "get_run"):
            patch.setattr(MlflowClient, name, unsteady(getattr(MlflowClient, name)))
        for _ in range(40):
            requests = 0
            try:
                tracker.deliver()
            except (MlflowException, UserError):
                continue
            break
        else:
            pytest.fail("the evaluation was never told")
    assert failed > 5
    again = tracker_of(home, tmp_path)
    again.add_run("sib200-1", RECORD)
    again.add_results(RESULT, [tmp_path / "result.json"])
    again.deliver()

    client = again.parent.client
    wanted = f"tags.`{PARENT}` = '{again.parent.run_id}'"
    (child,) = client.search_runs([again.parent.experiment_id], wanted)
    assert child.info.status == "FINISHED"

    def history(run: str, key: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in client.get_metric_history(run, key)]

    assert history(child.info.run_id, "sib200/development/accuracy") == [(1, 50.0), (2, 50.0)]
    assert history(child.info.run_id, "sib200/de/accuracy") == [(0, 40.0)]
    assert history(again.parent.run_id, "sib200/de/accuracy") == [(0, 40.0)]
    assert history(again.parent.run_id, "sib200/de/majority") == [(0, 25.0)]
    assert [file.path for file in client.list_artifacts(again.parent.run_id)] == ["result.json"]
