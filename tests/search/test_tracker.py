"""A search in MLflow, without Ray: what is told follows from the ledger, whatever the store does meanwhile."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.search.test_trial import trials
from tests.train.test_log import write
from weam_ray.errors import UserError
from weam_ray.search.ledger import COMPLETED, PRUNED, Ledger
from weam_ray.search.tracker import SearchTracker
from weam_ray.search.trial import VALUE
from weam_ray.tracking.client import PARENT, Tracker
from weam_ray.tracking.store import store_of


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    home = tmp_path_factory.mktemp("new")
    Tracker(None, "weam-ray", home)
    return (home / "mlflow.db").read_bytes()


@pytest.fixture
def tracker(tmp_path: Path, tables: bytes, monkeypatch: pytest.MonkeyPatch) -> SearchTracker:
    """Of a search whose first trial has trained ten steps with two reports."""
    (tmp_path / "mlflow.db").write_bytes(tables)
    monkeypatch.setattr("weam_ray.search.tracker.data_inputs", lambda *_: [])
    ledger, own = Ledger(tmp_path, "f"), trials(tmp_path)
    trial = ledger.begin({"objective.lambda": 0.5}, set())
    folder = own.training(1, 0)
    write(folder, 0, range(1, 11))
    lines = [{"step": step, "value": step / 10, "figures": {"retrieval": step / 100}} for step in (5, 10)]
    folder.held_out.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for step in (5, 10):
        trial.report(step, step / 10)
    data = SimpleNamespace(corpus=SimpleNamespace(fingerprint="c"))
    return SearchTracker(own, ledger, cast(Any, data))


@pytest.fixture
def client(tmp_path: Path, tracker: SearchTracker) -> MlflowClient:
    return MlflowClient(store_of(None, tmp_path))


def children(client: MlflowClient, tracker: SearchTracker) -> list[Any]:
    wanted = f"tags.`{PARENT}` = '{tracker.parent.run_id}'"
    return client.search_runs([tracker.parent.experiment_id], wanted, order_by=["attributes.run_name"])


def check_whole(client: MlflowClient, run: Any) -> None:
    def history(key: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, key)]

    assert [step for step, _ in history("loss")] == list(range(1, 11))
    assert history(VALUE) == [(5, 0.5), (10, 1.0)]
    assert history("retrieval") == [(5, 0.05), (10, 0.1)]


def test_a_trial_is_told_as_it_goes_on(tracker: SearchTracker, client: MlflowClient) -> None:
    tracker.deliver()
    (run,) = children(client, tracker)
    assert (run.info.status, run.data.tags["state"]) == ("RUNNING", "running")
    check_whole(client, run)
    tracker.ledger.of(1).state = PRUNED
    for _ in range(2):
        tracker.deliver()
        (run,) = children(client, tracker)
        assert (run.info.status, run.data.tags["state"]) == ("KILLED", "pruned")
        check_whole(client, run)


LOCKED = MlflowException("database is locked", error_code=2)  # TEMPORARILY_UNAVAILABLE


@pytest.mark.parametrize("answer_lost", [False, True])
def test_a_store_that_fails_at_any_request(
    tracker: SearchTracker, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, answer_lost: bool
) -> None:
    """Request after request fails once, each time the first that has not failed yet."""
    tracker.ledger.of(1).state = COMPLETED
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

    writing = ("create_run", "update_run", "log_batch", "set_tag", "set_terminated")
    with monkeypatch.context() as patch:
        for name in (*writing, "get_run", "get_metric_history"):
            patch.setattr(MlflowClient, name, unsteady(getattr(MlflowClient, name)))
        for _ in range(60):
            requests = 0
            try:
                tracker.deliver()
            except (MlflowException, UserError):
                continue
            break
        else:
            pytest.fail("the trial was never told")
    assert failed > 8
    (run,) = children(client, tracker)
    assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "completed")
    check_whole(client, run)
    assert tracker.ledger.of(1).mlflow_run_id == run.info.run_id


def test_trials_of_an_interrupted_search(tracker: SearchTracker, client: MlflowClient) -> None:
    tracker.deliver()
    tracker.interrupted = True
    tracker.deliver()
    (run,) = children(client, tracker)
    assert (run.info.status, run.data.tags["state"]) == ("KILLED", "interrupted")


def test_a_trial_that_ended_while_the_store_was_away_is_told_in_the_next_session(
    tracker: SearchTracker, client: MlflowClient
) -> None:
    tracker.ledger.of(1).state = COMPLETED
    tracker.ledger.save()
    ledger = Ledger.read(tracker.ledger.folder)
    assert ledger is not None
    again = SearchTracker(tracker.trials, ledger, tracker.data)
    again.deliver()
    (run,) = children(client, again)
    check_whole(client, run)
    assert again.settled == {1}
    client.delete_run(run.info.run_id)
    third = SearchTracker(tracker.trials, ledger, tracker.data)
    third.deliver()
    (other,) = children(client, third)
    assert other.info.run_id != run.info.run_id
    check_whole(client, other)
