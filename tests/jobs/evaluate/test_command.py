"""The evaluation job as a process: killed in the middle and run again, compared, and a user's mistake."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import write_encoder, write_sib200, write_udpos
from tests.support.processes import start, wait_until

TASKS = ["--tasks", "sib200,udpos", "--languages", "de", "--seeds", "2", "recipe.epochs=2", "recipe.learning_rate=1e-3"]


@pytest.fixture
def lab(tmp_path: Path, wordpiece: Any) -> Path:
    write_sib200(tmp_path / "data")
    write_udpos(tmp_path / "data")
    write_encoder(tmp_path / "encoder", wordpiece)
    return tmp_path


def arguments(lab: Path, output: str, *more: str) -> list[str]:
    given = ["--model", str(lab / "encoder"), "--data-root", str(lab / "data"), "--output", str(lab / output)]
    return [*given, *TASKS, f"home={lab / 'home'}", *more]


@pytest.mark.slow
@pytest.mark.ray
def test_killed_in_the_middle_and_run_again(lab: Path) -> None:
    """What was finished is not repeated, and the result is that of an undisturbed evaluation."""
    whole, killed, log = lab / "whole", lab / "killed", lab / "log"
    assert start(arguments(lab, "whole"), log, "evaluate").wait(timeout=300) == 0, log.read_text()

    job = start(arguments(lab, "killed", "cluster.num_cpus=1"), log, "evaluate")
    wait_until(lambda: len(list((killed / "runs").glob("*.json"))) >= 1 or job.poll() is not None)
    job.send_signal(signal.SIGKILL)
    job.wait()
    done = {file.name: file.stat().st_mtime_ns for file in (killed / "runs").glob("*.json")}
    assert 1 <= len(done) < 4
    assert not (killed / "result.json").exists()
    assert start(arguments(lab, "killed", "cluster.num_cpus=1"), log, "evaluate").wait(timeout=300) == 0, (
        log.read_text()
    )
    for name, changed in done.items():
        assert (killed / "runs" / name).stat().st_mtime_ns == changed
    first, second = (json.loads((folder / "result.json").read_text(encoding="utf-8")) for folder in (whole, killed))
    assert first == second
    said = re.search(r"(\d) of 4 runs are done already", log.read_text())
    assert said
    assert len(done) <= int(said[1]) < 4  # a worker that outlived its job by a moment may have finished one more

    compared = lab / "compared"
    given = ["--compare", str(whole), str(killed), "--output", str(compared)]
    assert start(given, log, "evaluate").wait(timeout=120) == 0, log.read_text()
    assert (compared / "comparison.md").is_file()
    assert (compared / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_mistake_is_a_sentence(lab: Path) -> None:
    log = lab / "log"
    assert start([*arguments(lab, "out"), "--languages", "fr"], log, "evaluate").wait(timeout=120) == 2
    assert "error: sib200: no test data for fr" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert start(["--compare", str(lab)], log, "evaluate").wait(timeout=120) == 2
    assert "--compare: name two folders or more" in log.read_text()
