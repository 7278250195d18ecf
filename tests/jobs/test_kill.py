"""A job that is killed, and run again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.conftest import tiny_overrides, write_moses
from weam_ray.train.log import read_steps

CHECKOUT = Path(__file__).resolve().parents[2]


def start(overrides: list[str], log: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, str(CHECKOUT / "jobs" / "pretrain.py"), *overrides],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={**environment, "PYTHONPATH": str(CHECKOUT)},
    )


@pytest.mark.slow
@pytest.mark.ray
def test_killed_in_training_and_run_again_equals_undisturbed(tmp_path: Path) -> None:
    """Dropout, clipping, a checkpoint every 7 steps; the same losses, the same weights, one MLflow run without gaps."""
    overrides = [*tiny_overrides(tmp_path / "home", write_moses(tmp_path)), "training.max_steps=80"]
    overrides.append("training.checkpoint_steps=7")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start([*overrides, f"output.dir={whole}"], tmp_path / "whole.log").wait(timeout=400) == 0

    job = start([*overrides, f"output.dir={killed}"], tmp_path / "killed.log")
    deadline = time.monotonic() + 300
    while len(read_steps(killed / "losses.jsonl")) < 20:
        assert time.monotonic() < deadline
        assert job.poll() is None, (tmp_path / "killed.log").read_text()
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not (killed / "result.json").exists()
    assert start([*overrides, f"output.dir={killed}"], tmp_path / "again.log").wait(timeout=400) == 0

    assert (killed / "losses.jsonl").read_bytes() == (whole / "losses.jsonl").read_bytes()
    weights = "model/model.safetensors"
    assert (killed / weights).read_bytes() == (whole / weights).read_bytes()
    client = MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("weam-ray").experiment_id])
    assert len(runs) == 2
    for run in runs:
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "loss")
        assert sorted(entry.step for entry in history) == list(range(1, 81))
