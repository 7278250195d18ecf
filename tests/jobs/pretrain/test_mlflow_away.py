"""A real job whose MLflow store is locked while it trains."""

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.main_job import tiny_overrides, write_moses
from tests.support.processes import start, wait_for_step, wait_until
from weam_ray.tracking.store import store_of

pytestmark = [pytest.mark.slow, pytest.mark.ray]
STEPS = 1_500


class LockedRun:
    """A run that trains, and a lock on its store."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.home, self.run, self.log = folder / "home", folder / "run", folder / "log"
        own = tiny_overrides(self.home, write_moses(folder))
        self.overrides = [*own, f"training.max_steps={STEPS}", "training.checkpoint_steps=500", *overrides]
        self.overrides.append(f"output.dir={self.run}")
        self.job = self.start()
        wait_for_step(self.job, self.run, 50, self.log)
        self.lock = sqlite3.connect(self.home / "mlflow.db", timeout=60, isolation_level=None)
        self.lock.execute("BEGIN EXCLUSIVE")

    def start(self) -> subprocess.Popen[bytes]:
        return start(self.overrides, self.log)

    def check_whole(self) -> None:
        client = MlflowClient(store_of(None, self.home))
        (run,) = client.search_runs([client.get_experiment_by_name("weam-ray").experiment_id])
        assert run.info.status == "FINISHED"
        for metric in ("loss", "tokens_seen", "tokens_per_second"):
            history = client.get_metric_history(run.info.run_id, metric)
            assert [entry.step for entry in history] == list(range(1, STEPS + 1))
        assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
            "config.yaml",
            "result.json",
            "result.png",
        }
        assert "mlflow_lacks_steps" not in json.loads((self.run / "result.json").read_text(encoding="utf-8"))


def test_steps_arrive_when_the_store_is_free_again(tmp_path: Path) -> None:
    locked = LockedRun(tmp_path)
    wait_until(lambda: "MLflow is locked or away" in locked.log.read_text(), 120)
    locked.lock.execute("ROLLBACK")
    assert locked.job.wait(300) == 0, locked.log.read_text()
    assert locked.log.read_text().count("MLflow is back, and has what it lacked.") == 1
    assert "warning: MLflow lacks" not in locked.log.read_text()
    locked.check_whole()


def test_a_store_that_stays_locked_is_told_by_the_same_command(tmp_path: Path) -> None:
    locked = LockedRun(tmp_path, "tracking.wait_seconds=1")
    assert locked.job.wait(400) == 0, locked.log.read_text()
    lacks = json.loads((locked.run / "result.json").read_text(encoding="utf-8"))["mlflow_lacks_steps"]
    assert 0 < lacks <= STEPS
    last = locked.log.read_text().splitlines()[-1]
    assert last.startswith(f"warning: MLflow lacks {lacks:,} of {STEPS:,} steps of this run, and its results: ")
    assert last.endswith("database is locked. The run itself is whole. The same command sends them.")
    locked.lock.execute("ROLLBACK")
    assert locked.start().wait(120) == 0, locked.log.read_text()
    assert "This run is finished" in locked.log.read_text()
    locked.check_whole()
