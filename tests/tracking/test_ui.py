"""MLflow's UI in headless Chromium: what somebody sees who opens a store of ours for the first time."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote

import pytest

from tests.support.processes import environment, wait_until
from weam_ray.tracking.client import LOCAL_UI, MODEL_TRAINING, NOTE, PARENT, Tracker

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1400,3000"),
)
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; on Debian: apt-get install chromium"),
]


class Store:
    """A store with a search and two trials, and the UI that shows it."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.parent = Tracker(None, "weam-ray", home)
        self.parent.open("search-bundled", None, {"search.metric": "retrieval"}, {"kind": "search", NOTE: "A search."})
        self.children: list[Tracker] = []
        for number, rate in enumerate((0.001, 0.002), 1):
            child = Tracker(None, "weam-ray", home)
            tags = {"kind": "trial", PARENT: self.parent.run_id}
            child.open(f"trial-{number:04d}", None, {"optimizer.learning_rate": rate}, tags)
            child.log_steps(
                {"step": step, "loss": 9.0 / step, "learning_rate": rate, "tokens": 100, "seconds": 0.5}
                for step in range(1, 21)
            )
            child.log_figures({"retrieval_after/mean/to_english": 0.2 * number})
            child.end("FINISHED")
            self.children.append(child)
        self.parent.log_results({"held_out": 0.4}, 0)
        self.parent.end("FINISHED")

    def page(self, address: str, *texts: str) -> str:
        """The page behind an address of the UI, as it is after its scripts have run, of a browser without a past.

        What a script asks of the server may come after the browser has looked, on a machine that is busy: the page is
        opened again where a text is not there yet.
        """
        for _ in range(3):
            found = self.opened(address)
            if all(text in found for text in texts):
                break
        return found

    def opened(self, address: str) -> str:
        profile = self.home / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        url = address.replace(LOCAL_UI, f"http://127.0.0.1:{self.port}")
        assert CHROMIUM is not None
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=60000", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    home = tmp_path_factory.mktemp("home")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = Store(home, port)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", own.parent.uri]
    with (home / "ui.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(**QUIET),
            start_new_session=True,  # its workers end with it
        )

    def answers() -> bool:
        assert server.poll() is None, (home / "ui.log").read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return True
        except (URLError, OSError):
            return False

    try:
        wait_until(answers, 180)
        yield own
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def test_the_runs_stand_under_their_parent(store: Store) -> None:
    page = store.page(f"{LOCAL_UI}/#/experiments/{store.parent.experiment_id}{MODEL_TRAINING}")
    assert "search-bundled" in page
    assert "trial-0001" not in page  # folded up
    assert 'role="dialog"' not in page
    assert "Detect Issues in Your Traces" not in page


def test_the_page_of_a_search_names_its_trials(store: Store) -> None:
    page = store.page(store.parent.address())
    assert all(text in page for text in ("search-bundled", "Child runs", "trial-0001", "trial-0002", "A search."))
    assert 'role="dialog"' not in page


def test_a_trial_has_charts_by_step(store: Store) -> None:
    address = store.children[0].address().replace(MODEL_TRAINING, f"/model-metrics{MODEL_TRAINING}")
    texts = ("retrieval_after/mean", "to_english", "learning_rate", "tokens_per_second", "Step")
    page = store.page(address, *texts)
    for text in texts:
        assert text in page
    assert page.index("Learning curves") < page.index("retrieval_after/mean")
    assert 'role="dialog"' not in page


def test_trials_are_compared(store: Store) -> None:
    runs = quote(json.dumps([child.run_id for child in store.children]))
    page = store.page(f"{LOCAL_UI}/#/compare-runs?runs={runs}&experiments=%5B%22{store.parent.experiment_id}%22%5D")
    assert "Comparing 2 Runs" in page
    for text in ("trial-0001", "trial-0002", "optimizer.learning_rate", "retrieval_after/mean/to_english", "0.002"):
        assert text in page
    assert 'role="dialog"' not in page
