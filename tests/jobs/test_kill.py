"""A job that is killed, stopped, or finds its checkpoints damaged or its disk full; and is run again."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support.main_job import chatter, tiny_overrides, write_moses
from tests.support.processes import start, wait_for_step
from weam_ray.train.checkpoint import PREFIX, latest
from weam_ray.train.log import read_steps


@pytest.mark.slow
@pytest.mark.ray
def test_killed_in_training_and_run_again_equals_undisturbed(tmp_path: Path) -> None:
    """Dropout, clipping, a checkpoint every 7 steps; the same losses, the same weights, one MLflow run without gaps."""
    overrides = [*tiny_overrides(tmp_path / "home", write_moses(tmp_path)), "training.max_steps=80"]
    overrides.append("training.checkpoint_steps=7")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start([*overrides, f"output.dir={whole}"], tmp_path / "whole.log").wait(timeout=400) == 0

    job = start([*overrides, f"output.dir={killed}"], tmp_path / "killed.log")
    wait_for_step(job, killed, 20, tmp_path / "killed.log")
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert chatter((tmp_path / "whole.log").read_text(encoding="utf-8")) == []  # Ray's start and end among it
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


def losses(folder: Path) -> bytes:
    return (folder / "losses.jsonl").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Overrides of a run of 3,000 steps with a checkpoint every 100, and the folder of such a run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    overrides = [*tiny_overrides(folder / "home", write_moses(folder)), "training.max_steps=3000"]
    overrides.append("training.checkpoint_steps=100")
    assert start([*overrides, f"output.dir={folder / 'run'}"], folder / "log").wait(timeout=400) == 0
    return overrides, folder / "run"


@pytest.mark.slow
@pytest.mark.ray
def test_sigterm_saves_a_checkpoint_and_says_how_to_go_on(undisturbed: tuple[list[str], Path], tmp_path: Path) -> None:
    overrides, whole = undisturbed
    overrides, run, log = [*overrides, "training.checkpoint_steps=10000"], tmp_path / "run", tmp_path / "log"
    job = start([*overrides, f"output.dir={run}"], log)
    wait_for_step(job, run, 200, log)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=120) == 143
    done = len(read_steps(run / "losses.jsonl"))
    assert 200 <= done < 3000
    assert f"Stopped after step {done}; its checkpoint is in {run}, and the same command goes on" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert chatter(log.read_text()) == []
    assert not (run / "model").exists()
    chosen, notes = latest(run / "checkpoints" / "train")
    assert (chosen is not None and chosen.name.startswith(f"{PREFIX}{done:08d}"), notes) == (True, [])
    client = MlflowClient(f"sqlite:///{whole.parent / 'home' / 'mlflow.db'}")
    state = json.loads((run / "state.json").read_text())
    assert client.get_run(state["mlflow_run_id"]).info.status == "KILLED"

    assert start([*overrides, f"output.dir={run}"], log).wait(timeout=300) == 0
    assert losses(run) == losses(whole)
    assert client.get_run(state["mlflow_run_id"]).info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.ray
def test_a_truncated_checkpoint_gives_way_to_the_one_before(
    undisturbed: tuple[list[str], Path], tmp_path: Path
) -> None:
    overrides, whole = undisturbed
    run, log = tmp_path / "run", tmp_path / "log"
    job = start([*overrides, f"output.dir={run}"], log)
    wait_for_step(job, run, 450, log)
    job.send_signal(signal.SIGKILL)
    job.wait()
    storage = run / "checkpoints" / "train"
    newest, _ = latest(storage)
    assert newest is not None
    largest = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.truncate(largest.stat().st_size // 2)
    before, (note,) = latest(storage)
    assert before is not None
    assert before < newest
    assert start([*overrides, f"output.dir={run}"], log).wait(timeout=300) == 0
    assert note in log.read_text()
    assert losses(run) == losses(whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("mounting a small disk takes root and the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.ray
def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(
    undisturbed: tuple[list[str], Path], small_disk: Path, tmp_path: Path
) -> None:
    overrides, whole = undisturbed
    run, log = small_disk / "run", tmp_path / "log"
    job = start([*overrides, f"output.dir={run}"], log)
    wait_for_step(job, run, 250, log)
    with suppress(OSError), (small_disk / "filler").open("wb") as filler:
        while True:
            filler.write(b"x" * 4096)
            filler.flush()
    assert job.wait(timeout=120) == 2, log.read_text()
    assert "error: The disk of" in log.read_text()
    assert "is full, so the run stops." in log.read_text()
    assert "Traceback" not in log.read_text()
    assert latest(run / "checkpoints" / "train")[0] is not None
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert start([*overrides, f"output.dir={run}"], log).wait(timeout=300) == 0, log.read_text()
    assert losses(run) == losses(whole)
