"""The MLflow store: its address, its first use, and what is done while it is locked or away."""

import json
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.support.processes import CHECKOUT, environment, wait_until
from weam_ray.errors import UserError
from weam_ray.tracking import store
from weam_ray.tracking.client import Tracker
from weam_ray.tracking.store import Courier, create_tables, insist, is_passing, store_of, where_to_compare

NAMES = ["a b", "q?x=1", "per%41cent%", "ha#sh", "se;mi&am", "it's", 'dq"x', "ünï", "co:lon", "a%3Fb%20", "$HOME", "?"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new store, to be copied: MLflow takes seconds to make one."""
    home = tmp_path_factory.mktemp("new")
    Tracker(None, "tests", home)
    return (home / "mlflow.db").read_bytes()


@pytest.fixture
def tables_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables of a new store are not copied from another one, as those of other tests are."""
    monkeypatch.setattr(store, "create_tables", create_tables)


@pytest.mark.parametrize("name", NAMES)
def test_a_home_of_any_name_has_its_store_and_artefacts_in_it(
    tmp_path: Path, tables: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, file = tmp_path / "homes" / name, tmp_path / "result.json"
    home.mkdir(parents=True)
    (home / "mlflow.db").write_bytes(tables)
    file.write_text("{}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    tracker = Tracker(None, "named", home)
    tracker.open("run", None, {}, {})
    tracker.log_files(file)
    assert [entry.name for entry in (tmp_path / "homes").iterdir()] == [name]
    assert {entry.name for entry in home.iterdir()} == {"mlflow.db", "mlartifacts"}
    assert list((home / "mlartifacts").rglob("result.json"))
    assert {entry.name for entry in tmp_path.iterdir()} == {"homes", "result.json"}
    words = shlex.split(where_to_compare(tracker.uri).removeprefix("Compare runs: "))
    assert (words[:3], words[4:]) == (["mlflow", "ui", "--backend-store-uri"], ["--host", "127.0.0.1"])
    assert MlflowClient(words[3]).get_run(tracker.run_id).info.run_name == "run"


@pytest.mark.usefixtures("tables_are_made")
def test_the_tables_of_a_home_with_marks_are_made_in_it(tmp_path: Path) -> None:
    Tracker(None, "tests", tmp_path / "q?x=1 per%41cent%")
    assert [entry.name for entry in tmp_path.iterdir()] == ["q?x=1 per%41cent%"]
    assert (tmp_path / "q?x=1 per%41cent%" / "mlflow.db").stat().st_size > 0


def test_the_address_for_make_ui(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "weam_ray.tracking.store", "/checkout"]
    for home, address in {"": "sqlite:////checkout/mlflow.db", "/a?b": "sqlite+pysqlite:////a%3Fb/mlflow.db"}.items():
        variables = environment(WEAM_RAY_HOME=home)
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, cwd=CHECKOUT)
        assert done.stdout == f"{address}\n"


def test_addresses_of_other_stores_stay() -> None:
    assert store_of("https://mlflow.example.org/a?b", Path("/home")) == "https://mlflow.example.org/a?b"
    assert store_of(None, Path("/a home")) == "sqlite:////a home/mlflow.db"
    assert where_to_compare("https://mlflow.example.org") == "Compare runs: https://mlflow.example.org"


START = """
import sys
from pathlib import Path
from weam_ray.cluster.environment import quiet_environment
quiet_environment()
from weam_ray.tracking.client import Tracker
print(Tracker(None, "tests", Path(sys.argv[1])).open("first", None, {"a": 1}, {}))
"""


@pytest.mark.slow
def test_first_starts_at_once_in_a_new_home(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START, str(tmp_path)]
    started = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-2000:]
    client = MlflowClient(store_of(None, tmp_path))
    assert len(client.search_runs([client.get_experiment_by_name("tests").experiment_id])) == 2


@pytest.mark.usefixtures("tables_are_made")
def test_a_first_start_that_was_killed_leaves_no_half_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alembic.command.upgrade", killed)  # after the first tables
        with pytest.raises(KeyboardInterrupt):
            Tracker(None, "tests", tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
    Tracker(None, "tests", tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"mlflow.db", ".mlflow.db.lock"}


@pytest.mark.usefixtures("tables_are_made")
def test_another_process_that_does_not_end_its_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr(store, "FIRST_USE_SECONDS", 0.1)
    with FileLock(tmp_path / ".mlflow.db.lock"), pytest.raises(UserError, match=r"mlflow\.db: another process has"):
        Tracker(None, "tests", tmp_path, wait_seconds=0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "POLL_SECONDS", 0.01)


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def action() -> str:
        if left:
            raise left.pop()
        return "done"

    return action


LOCKED = MlflowException("database is locked", error_code=2)  # TEMPORARILY_UNAVAILABLE
REFUSED = MlflowException("API request to http://127.0.0.1:1 failed with exception: refused")


@pytest.mark.parametrize("error", [LOCKED, REFUSED, ConnectionError("refused")])
def test_what_may_pass_is_tried_again(quick: None, capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    assert insist(failing(3, error), 60, "the store") == "done"
    told = capsys.readouterr().out
    assert told.count("MLflow (the store) is locked or away; waiting for up to 60 s") == 1
    assert told.count("MLflow is back.") == 1


def test_what_does_not_pass_is_raised_in_time(quick: None) -> None:
    with pytest.raises(MlflowException, match="locked"):
        insist(failing(10**6, LOCKED), 0.05, "the store")


@pytest.mark.parametrize("error", [MlflowException("no", error_code=1_000), PermissionError(13, "denied")])
def test_what_cannot_pass_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        insist(failing(1, error), 60, "the store")


def test_a_store_that_is_locked_when_a_job_starts(
    tmp_path: Path, tables: bytes, quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lock is real; it is given back as soon as the tracker says that it waits."""
    (tmp_path / "mlflow.db").write_bytes(tables)
    holder = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "waiting" in text:
            holder.execute("ROLLBACK")

    monkeypatch.setattr(store, "say", say)
    tracker = Tracker(None, "tests", tmp_path)
    assert tracker.open("run", None, {}, {})
    assert re.match(r"MLflow \(sqlite:.*\) is locked or away; waiting for up to 120 s: .*database is locked", said[0])
    assert said[1:] == ["MLflow is back."]


def test_a_store_that_stays_locked_is_a_sentence(tmp_path: Path, tables: bytes, quick: None) -> None:
    (tmp_path / "mlflow.db").write_bytes(tables)
    holder = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match=r"tracking\.uri=sqlite:.*MLflow cannot use this store: .*database is locked"):
        Tracker(None, "tests", tmp_path, wait_seconds=0)
    holder.close()


class Busy(BaseHTTPRequestHandler):
    """A server that has no time for the first two requests, and then knows one experiment."""

    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        experiment = {"experiment_id": "7", "name": "tests", "lifecycle_stage": "active"}
        self.send_response(503 if self.requests < 3 else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"experiment": experiment}).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_server_that_is_busy_and_one_that_is_away(tmp_path: Path, quick: None) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert Tracker(address, "tests", tmp_path, wait_seconds=60).experiment_id == "7"
        finally:
            server.shutdown()
            thread.join()
    assert Busy.requests == 3
    with pytest.raises(UserError, match=r"tracking\.uri=http://127.*: MLflow cannot use this store: .*refused"):
        Tracker(address, "tests", tmp_path, wait_seconds=0.05)


class Delivery:
    """Something to deliver that fails while the store is away."""

    def __init__(self) -> None:
        self.away = threading.Event()
        self.tries = 0

    def __call__(self) -> None:
        self.tries += 1
        if self.away.is_set():
            raise LOCKED


def test_a_courier_goes_on_when_the_store_is_back(quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    delivery, back = Delivery(), threading.Event()
    delivery.away.set()
    courier = Courier(delivery, back.set)
    courier.start()
    while delivery.tries < 3:
        pass
    assert courier.reason == "database is locked"
    delivery.away.clear()
    assert back.wait(30)
    assert courier.catch_up(30)
    ended = threading.Event()
    assert courier.finish(30, ended.set)
    assert ended.is_set()
    assert not courier.thread.is_alive()
    told = capsys.readouterr().out
    assert told.count("MLflow is locked or away; what it lacks is kept and sent later: database is locked") == 1
    assert told.count("MLflow is back, and has what it lacked.") == 1


def test_the_end_that_comes_in_the_middle_of_a_round_is_told_too(quick: None) -> None:
    entered, may_go = threading.Event(), threading.Event()
    rounds: list[bool] = []
    ended: list[bool] = []

    def deliver() -> None:
        rounds.append(True)
        if len(rounds) == 1:
            entered.set()
            assert may_go.wait(10)

    courier = Courier(deliver)
    courier.start()
    assert entered.wait(10)

    def release() -> None:
        wait_until(lambda: courier.closing, 10)
        may_go.set()

    threading.Thread(target=release).start()
    assert courier.finish(5.0, lambda: ended.append(True))
    assert len(rounds) > 1
    assert ended


def test_a_courier_gives_up_at_the_end(quick: None) -> None:
    delivery = Delivery()
    delivery.away.set()
    courier = Courier(delivery)
    courier.start()
    assert not courier.catch_up(0.05)
    assert not courier.finish(0.05, lambda: None)
    assert courier.reason == "database is locked"


def test_a_courier_does_not_wait_for_a_request_that_hangs(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "QUICK_SECONDS", 0.01)
    release = threading.Event()
    courier = Courier(lambda: release.wait(60) and None)
    courier.start()
    assert not courier.finish(0.05, lambda: None)
    assert courier.reason == "no answer"
    release.set()


def test_errors_by_whether_they_may_pass() -> None:
    from sqlalchemy.exc import OperationalError

    passing = [LOCKED, REFUSED, TimeoutError(), OperationalError("SELECT", {}, Exception("database is locked"))]
    lasting = [FileNotFoundError(2, "no"), OperationalError("SELECT", {}, Exception("duplicate column name: x"))]
    assert [is_passing(error) for error in passing] == [True] * 4
    assert [is_passing(error) for error in lasting] == [False] * 2
