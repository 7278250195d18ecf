"""The search as a job of its own: killed and run again, interrupted, against a server with authentication."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.support.main_job import tiny_overrides, write_moses
from tests.support.processes import environment, start, wait_until
from weam_ray.search.ledger import Ledger, Trial

BIN = Path(sys.executable).parent

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1500)]

SPACE = """
from weam_ray.search.space import LogUniform, Space, Uniform

def space():
    return Space.of(
        {
            "objective.lambda": LogUniform(low=0.1, high=10.0),
            "objective.mask_probability": Uniform(low=0.1, high=0.5),
        }
    )
"""


def search(place: Path, output: Path, *more: str) -> list[str]:
    """The arguments of a search of three trials, one after the other, in a home of its own."""
    (place / "own_space.py").write_text(SPACE, encoding="utf-8")
    files = (place / "text.en", place / "text.xx")
    return [
        *tiny_overrides(output.parent / "home", files),
        f"--space={place / 'own_space.py'}",
        "--num-trials=3",
        "--max-concurrent=1",
        f"output.dir={output}",
        "training.max_steps=120",
        "training.checkpoint_steps=10",
        "corpus.held_out=20",
        *more,
    ]


def trials(output: Path) -> list[Trial]:
    ledger = Ledger.read(output)
    return [] if ledger is None else ledger.trials


def told(own: list[Trial]) -> list[Any]:
    return [(trial.number, trial.values, trial.state, trial.reports) for trial in own]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a corpus, beside which a search ran to its end."""
    place = tmp_path_factory.mktemp("undisturbed")
    write_moses(place)
    log = place / "log"
    assert start(search(place, place / "run"), log, "tune").wait(timeout=500) == 0, log.read_text()
    return place


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "interrupt"])
def test_stopped_and_run_again_equals_undisturbed(undisturbed: Path, tmp_path: Path, sent: signal.Signals) -> None:
    """Stopped in the second trial, before its first rung: the same choices, values, steps, and one MLflow run each."""
    output = tmp_path / "run"
    arguments, log = search(undisturbed, output), tmp_path / "log"
    job = start(arguments, log, "tune")
    steps = output / "trials" / "0002" / "seed-1" / "losses.jsonl"

    def inside() -> bool:
        assert job.poll() is None, log.read_text()
        return len(trials(output)) == 2 and steps.is_file() and len(steps.read_bytes().splitlines()) > 14

    wait_until(inside, 400)
    job.send_signal(sent)
    assert job.wait(timeout=60) == (-9 if sent == signal.SIGKILL else 130)
    done = (output / "trials" / "0001" / "seed-1" / "losses.jsonl").stat().st_mtime_ns
    client = MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")
    if sent == signal.SIGTERM:
        assert "the same command goes on" in log.read_text(encoding="utf-8")
        states = [run.info.status for run in client.search_runs(["1"])]
        assert sorted(states) == ["FINISHED", "KILLED", "KILLED"]

    again = start(arguments, tmp_path / "again.log", "tune")
    assert again.wait(timeout=500) == 0, (tmp_path / "again.log").read_text()
    assert told(trials(output)) == told(trials(undisturbed / "run"))
    assert (output / "trials" / "0001" / "seed-1" / "losses.jsonl").stat().st_mtime_ns == done
    for number in (1, 2, 3):
        name = f"trials/{number:04d}/seed-1/losses.jsonl"
        if trials(output)[number - 1].state == "completed":
            assert (output / name).read_bytes() == (undisturbed / "run" / name).read_bytes()

    runs = client.search_runs(["1"])
    assert sorted(run.data.tags["kind"] for run in runs) == ["search", "trial", "trial", "trial"]
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    for run in runs:
        history = [entry.step for entry in client.get_metric_history(run.info.run_id, "loss")]
        assert sorted(history) == list(range(1, len(history) + 1))


def test_more_trials_later(undisturbed: Path) -> None:
    """A larger number goes on with the search: the trials that were there stay as they are."""
    before = told(trials(undisturbed / "run"))
    log = undisturbed / "more.log"
    more = start(search(undisturbed, undisturbed / "run", "search.num_trials=4"), log, "tune")
    assert more.wait(timeout=500) == 0, log.read_text()
    after = trials(undisturbed / "run")
    assert told(after)[:3] == before
    assert after[3].state in ("completed", "pruned")
    result = json.loads((undisturbed / "run" / "result.json").read_text(encoding="utf-8"))
    assert sum(result["trials"].values()) == 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """An MLflow server on loopback with basic authentication: its address, and the variables of a client."""
    pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = tmp_path / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{tmp_path / 'auth.db'}\nadmin_username = admin\nadmin_password = long-enough-1234\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
        encoding="utf-8",
    )
    own = environment(MLFLOW_AUTH_CONFIG_PATH=str(settings), MLFLOW_FLASK_SERVER_SECRET_KEY="of-this-test")
    command = ["server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", (tmp_path / "artifacts").as_uri()]
    process = subprocess.Popen(
        [BIN / "mlflow", *command],
        env=own,
        cwd=tmp_path,
        stdout=(tmp_path / "server.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def listening() -> bool:
        assert process.poll() is None, (tmp_path / "server.log").read_text()
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(listening, 120)
    credentials = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": "long-enough-1234"}
    yield f"http://127.0.0.1:{port}", credentials
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=60)


def test_a_server_with_authentication(
    server: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, credentials = server
    write_moses(tmp_path)
    arguments = search(tmp_path, tmp_path / "run", f"tracking.uri={address}", "training.max_steps=8")
    refused = start([*arguments, "--num-trials=1"], tmp_path / "refused.log", "tune")
    assert refused.wait(timeout=300) == 2
    said = (tmp_path / "refused.log").read_text(encoding="utf-8")
    assert f"tracking.uri={address}: MLflow cannot use this store" in said
    assert "Traceback" not in said

    for key, value in credentials.items():
        monkeypatch.setenv(key, value)
    job = start([*arguments, "--num-trials=1"], tmp_path / "log", "tune")
    assert job.wait(timeout=400) == 0, (tmp_path / "log").read_text()
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("weam-ray")
    assert experiment is not None
    kinds = {run.data.tags["kind"]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(kinds) == {"search", "trial"}
    assert "best.yaml" in {file.path for file in client.list_artifacts(kinds["search"].info.run_id)}
    assert client.get_model_version_by_alias("weam-ray-bundled", "champion").run_id == kinds["trial"].info.run_id
    for text in (tmp_path / "run").rglob("*.yaml"):
        assert "long-enough" not in text.read_text(encoding="utf-8")
