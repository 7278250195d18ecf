"""MLflow: runs, resuming without gaps or repetitions, datasets, artefacts."""

import getpass
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.support.processes import CHECKOUT, environment, wait_until
from weam_ray.errors import UserError
from weam_ray.settings.parsing import flat_parameters
from weam_ray.tracking import store
from weam_ray.tracking.client import NOTE, PARENT, Tracker


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
    curve = client.get_metric_history(run_id, "Learning curves/loss")  # the first section of the run's page
    assert [(entry.step, entry.value) for entry in curve] == [
        (entry.step, entry.value) for entry in client.get_metric_history(run_id, "loss")
    ]


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
from weam_ray.tracking.client import Tracker

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


class Unsteady:
    """A client of which some calls of one method fail, before anything is done or when only the answer is lost."""

    def __init__(self, client: Any, method: str, failing: set[int], answer_lost: bool) -> None:
        self.client, self.method, self.failing, self.answer_lost = client, method, failing, answer_lost
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        own = getattr(self.client, name)

        def call(*arguments: Any, **more: Any) -> Any:
            if name != self.method:
                return own(*arguments, **more)
            self.calls += 1
            failing = self.calls in self.failing
            if failing and not self.answer_lost:
                raise LOCKED
            result = own(*arguments, **more)
            if failing:
                raise LOCKED
            return result

        return call


LOCKED = MlflowException("database is locked", error_code=2)  # TEMPORARILY_UNAVAILABLE


@pytest.mark.parametrize("answer_lost", [False, True])
@pytest.mark.parametrize("failing", [{1}, {2}, {2, 4, 5}])
def test_steps_are_sent_again_after_a_failure_and_none_twice(
    home: Path, client: MlflowClient, failing: set[int], answer_lost: bool
) -> None:
    """250 steps go in three requests."""
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("unsteady", None, {}, {})
    tracker.client = Unsteady(client, "log_batch", failing, answer_lost)
    whole = steps(1, 250)
    with pytest.raises(MlflowException):
        tracker.log_steps(whole)
    assert tracker.last_steps[""] < 250
    for _ in range(3):
        with suppress(MlflowException):
            tracker.log_steps(whole)
    assert tracker.last_steps[""] == 250
    for metric in ("loss", "learning_rate", "tokens_per_second", "tokens_seen"):
        assert [entry.step for entry in client.get_metric_history(run_id, metric)] == list(range(1, 251))


def test_a_request_that_was_late_is_not_counted_twice(home: Path, client: MlflowClient) -> None:
    """It arrives after its repetition, which did not see it."""
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("late", None, {}, {})
    whole = steps(1, 3)
    late: list[tuple[Any, ...]] = []

    class Slow(Unsteady):
        def __getattr__(self, name: str) -> Any:
            def lose(*arguments: Any, **more: Any) -> None:
                late.append((arguments, more))
                raise LOCKED

            return lose if name == "log_batch" else getattr(self.client, name)

    tracker.client = Slow(client, "log_batch", set(), False)
    with pytest.raises(MlflowException):
        tracker.log_steps(whole)
    tracker.client = client
    tracker.log_steps(whole)
    ((arguments, more),) = late
    client.log_batch(*arguments, **more)
    assert [entry.step for entry in client.get_metric_history(run_id, "loss")] == [1, 2, 3]


@pytest.mark.parametrize("answer_lost", [False, True])
@pytest.mark.parametrize("parent", [False, True])
def test_a_run_whose_creation_failed_is_created_once(
    home: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, answer_lost: bool, parent: bool
) -> None:
    monkeypatch.setattr(store, "POLL_SECONDS", 0.01)
    tracker, name = Tracker(None, "tests", home), f"once-{answer_lost}-{parent}"
    tracker.client = Unsteady(client, "create_run", {1}, answer_lost)
    tags = {PARENT: "0" * 32} if parent else {}
    if parent:  # a child's opening is tried again by the courier
        with pytest.raises(UserError, match="cannot open the run once"):
            tracker.open(name, None, {"a": 1}, tags, wait_seconds=0)
        tracker = Tracker(None, "tests", home)
    run_id = tracker.open(name, None, {"a": 1}, tags)
    found = client.search_runs([tracker.experiment_id], f"tags.`mlflow.runName` = '{name}'")
    assert [run.info.run_id for run in found] == [run_id]
    assert found[0].data.params == {"a": "1"}


def test_an_experiment_that_was_deleted_is_restored(
    home: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Tracker(None, "deleted", home)
    run_id = first.open("run", None, {}, {})
    client.delete_experiment(first.experiment_id)
    again = Tracker(None, "deleted", home)
    assert again.experiment_id == first.experiment_id
    assert again.open("run", run_id, {}, {}) == run_id
    told = "The experiment 'deleted' had been deleted in MLflow; it is restored."
    assert capsys.readouterr().out.splitlines() == [told]
    Tracker(None, "deleted", home)
    assert capsys.readouterr().out == ""


def test_an_experiment_that_another_process_creates_at_the_same_time(
    home: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = client.create_experiment("both")
    found, seen = client.get_experiment_by_name("both"), [None]
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", lambda *_: seen.pop() if seen else found)
    assert Tracker(None, "both", home).experiment_id == other


def test_figures_are_logged_once(home: Path, client: MlflowClient) -> None:
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("figures", None, {}, {})
    for values in ({"a": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 2.0}):
        tracker.log_figures(values)
    assert [[entry.value for entry in client.get_metric_history(run_id, key)] for key in "ab"] == [[1.0, 3.0], [2.0]]
    assert {entry.step for entry in client.get_metric_history(run_id, "a")} == {0}  # a bar, not a line of one dot


def test_a_run_ends_though_the_store_is_away(
    home: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mistake that ended it is what the user sees."""
    monkeypatch.setattr(store, "POLL_SECONDS", 0.01)
    monkeypatch.setattr("weam_ray.tracking.client.QUICK_SECONDS", 0.05)
    tracker = Tracker(None, "tests", home)
    run_id = tracker.open("ending", None, {}, {})
    tracker.client = Unsteady(client, "set_terminated", set(range(1, 10**4)), answer_lost=False)
    with pytest.raises(UserError, match="a mistake"), tracker.ending():
        raise UserError("a mistake")
    assert "MLflow does not know how this run ended (database is locked)" in capsys.readouterr().out
    assert client.get_run(run_id).info.status == "RUNNING"
