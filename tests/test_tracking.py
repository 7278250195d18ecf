"""MLflow: runs, resuming without gaps or repetitions, datasets, artefacts."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from weam_ray.errors import UserError
from weam_ray.tracking import Tracker, flat_parameters


def steps(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"step": n, "loss": 10.0 / n, "learning_rate": 1e-3, "tokens": 100, "tokens_seen": 100 * n, "seconds": 0.5}
        for n in range(first, last + 1)
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def client(home: Path) -> MlflowClient:
    Tracker(None, "tests", home)
    return MlflowClient(f"sqlite:///{home / 'mlflow.db'}")


def test_a_run_that_is_reopened_has_each_step_once(home: Path, client: MlflowClient) -> None:
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("first", None, {"objective.lambda": 1.0}, {"objective": "weam"})
    tracker.log_steps(steps(1, 6))
    tracker.end("FAILED")
    again = Tracker(None, "tests", home)
    assert again.open("first", run_id, {}, {}) == run_id
    assert client.get_run(run_id).info.status == "RUNNING"
    again.log_steps(steps(4, 9))  # from the checkpoint of step 3
    again.end("FINISHED")
    for metric in ("loss", "learning_rate", "tokens_per_second", "tokens_seen"):
        assert [entry.step for entry in client.get_metric_history(run_id, metric)] == list(range(1, 10))
    run = client.get_run(run_id)
    assert (run.info.status, run.data.params, run.data.tags["objective"]) == (
        "FINISHED",
        {"objective.lambda": "1.0"},
        "weam",
    )
    assert run.data.metrics["tokens_per_second"] == 200


def test_a_run_that_is_gone_is_begun_anew(home: Path, client: MlflowClient) -> None:
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("lost", "0" * 32, {}, {})
    assert client.get_run(run_id).info.run_name == "lost"


def test_files_and_datasets(home: Path, client: MlflowClient, tmp_path: Path) -> None:
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("files", None, {f"key{k}": k for k in range(130)}, {})
    tracker.log_datasets([{"name": "en-de", "digest": "d" * 60, "source": "a file", "profile": '{"train": 5}'}])
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    tracker.log_files(tmp_path / "result.json")
    run = client.get_run(run_id)
    assert len(run.data.params) == 130
    (entry,) = run.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("en-de", "d" * 36)
    assert [file.path for file in client.list_artifacts(run_id)] == ["result.json"]
    assert (home / "mlartifacts").is_dir()


def test_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tracking\.uri=nonsense://"):
        Tracker("nonsense://somewhere", "tests", tmp_path)


def test_flat_parameters() -> None:
    tree = {"a": {"b": 1, "c": {"d": None}}, "e": "x", "list": [1, 2], "sources": [{"x": 1}]}
    assert flat_parameters(tree) == {"a.b": 1, "a.c.d": None, "e": "x", "list": [1, 2]}
