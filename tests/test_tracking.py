"""MLflow: runs, resuming without gaps or repetitions, datasets, artefacts."""

import getpass
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.processes import CHECKOUT, environment, wait_until
from weam_ray.errors import UserError
from weam_ray.tracking import NOTE, Tracker, flat_parameters


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


def test_a_run_whose_opening_was_broken_off_is_completed(home: Path) -> None:
    """Its id is written down first."""
    known: list[str] = []

    def created(run_id: str) -> None:
        known.append(run_id)
        raise KeyboardInterrupt

    data = [{"name": "en-de", "digest": "d", "source": "a file", "profile": "{}"}]
    opening = ({"objective.lambda": 1.0}, {"objective": "weam"}, data)
    with pytest.raises(KeyboardInterrupt):
        Tracker(None, "tests", home).open("broken", None, *opening, created)
    for _ in range(2):
        tracker = Tracker(None, "tests", home)
        assert tracker.open("broken", known[0], *opening, created) == known[0]
        run = tracker.client.get_run(known[0])
        assert run.data.params == {"objective.lambda": "1.0"}
        assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["en-de"]
    assert len(tracker.client.search_runs([tracker.experiment_id], "tags.`mlflow.runName` = 'broken'")) == 1


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


def test_the_experiment_says_what_it_is(home: Path, client: MlflowClient) -> None:
    tags = client.get_experiment_by_name("tests").tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags[NOTE].startswith("Cross-lingual")


SCRIPT = """
import sys
from pathlib import Path
from weam_ray.tracking import Tracker

print(Tracker(None, "tests", Path(sys.argv[1])).open("told", None, {}, {"kind": "pretraining"}))
"""


@pytest.mark.parametrize("git", [True, False])
def test_a_run_says_who_ran_which_script(home: Path, client: MlflowClient, tmp_path: Path, git: bool) -> None:
    script = tmp_path / "job.py"
    script.write_text(SCRIPT, encoding="utf-8")
    commit = None
    if git:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for command in (["init", "-q"], ["add", "job.py"], [*identity, "commit", "-q", "-m", "a job"]):
            subprocess.run(["git", *command], cwd=tmp_path, check=True)
        told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
        commit = told.stdout.strip()
    variables = environment(**({} if git else {"PATH": str(tmp_path)}))  # where there is no git at all
    command = [sys.executable, str(script), str(home)]
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True, cwd=CHECKOUT)
    tags = client.get_run(done.stdout.split()[-1]).data.tags
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == (str(script), "LOCAL")
    assert (tags["mlflow.user"], tags["kind"]) == (getpass.getuser(), "pretraining")
    assert tags.get("mlflow.source.git.commit") == commit


def test_system_metrics_go_on_in_a_run_that_is_reopened(
    home: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    tracker = Tracker(None, "tests", home)
    run_id: str | None = None

    def logged() -> list[int]:
        assert run_id is not None
        history = client.get_metric_history(run_id, "system/cpu_utilization_percentage")
        return sorted(metric.step for metric in history)

    for session in (1, 2):
        run_id = tracker.open("machine", run_id, {}, {})
        threads, known = set(threading.enumerate()), len(logged())
        with tracker.ending():
            tracker.log_steps(steps(3 * session - 2, 3 * session))
            wait_until(lambda known=known: len(logged()) > known + 1, 30)
        assert set(threading.enumerate()) <= threads
        assert client.get_run(run_id).info.status == "FINISHED"
    assert logged() == list(range(len(logged())))
    assert len(client.get_metric_history(run_id, "loss")) == 6


def test_the_address_of_a_run(home: Path) -> None:
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("place", None, {}, {})
    place = f"/#/experiments/{tracker.experiment_id}/runs/{run_id}?workflowType=machine_learning"
    assert tracker.address() == f"http://127.0.0.1:5000{place}"
    tracker.uri = "https://mlflow.example.org/"
    assert tracker.address() == f"https://mlflow.example.org{place}"


def test_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tracking\.uri=nonsense://"):
        Tracker("nonsense://somewhere", "tests", tmp_path)


def test_flat_parameters() -> None:
    tree = {"a": {"b": 1, "c": {"d": None}}, "e": "x", "list": [1, 2], "sources": [{"x": 1}]}
    assert flat_parameters(tree) == {"a.b": 1, "a.c.d": None, "e": "x", "list": [1, 2]}
