"""A study that is killed in the middle, and run again."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.lab import write_sib200
from tests.support.main_job import chatter, write_moses
from tests.support.processes import start, wait_until
from tests.support.studies import tiny_study
from weam_ray.jobs.study import ANSWERS, CELLS
from weam_ray.settings.parsing import written_yaml

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(1500)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_moses(tmp_path)
    write_sib200(tmp_path / "data")
    return tmp_path


def write_study(place: Path, home: str, **more: Any) -> Path:
    """A study of two systems with a home of its own; its file."""
    tree = tiny_study(place, **more) | {"home": str(place / home)}
    file = place / f"{home}.yaml"
    file.write_text(written_yaml(tree), encoding="utf-8")
    return file


def found(home: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Answers, and the scores without what depends on the time and the place."""
    folder = home / "runs" / "study-tiny"
    rows = pq.read_table(folder / CELLS).drop_columns(["seconds", "reused", "folder"]).to_pylist()
    return json.loads((folder / ANSWERS).read_text(encoding="utf-8")), rows


def test_killed_twice_and_run_again_equals_undisturbed(place: Path) -> None:
    """Once between two pre-trainings, once between two cells; nothing that was finished is done again."""
    whole, killed = write_study(place, "whole"), write_study(place, "killed")
    assert start(["--study", str(whole)], place / "whole.log", "study").wait(timeout=580) == 0
    said = chatter((place / "whole.log").read_text(encoding="utf-8"))
    assert [line for line in said if line.strip()] == []  # tables have blank lines around them

    home, log = place / "killed", place / "killed.log"

    def models() -> list[Path]:
        return list((home / "runs").glob("study-weam-*/result.json"))

    def cells() -> list[Path]:
        return list((home / "cells").glob("*/runs/*.json"))

    def run_and_kill(some: Callable[[], list[Path]]) -> None:
        """Run the study until some files are there."""
        job = start(["--study", str(killed)], log, "study")
        wait_until(lambda: bool(some()) or job.poll() is not None)
        assert job.poll() is None, log.read_text(encoding="utf-8")[-2000:]
        job.send_signal(signal.SIGKILL)
        job.wait()

    run_and_kill(models)
    run_and_kill(cells)
    times = {file: file.stat().st_mtime_ns for file in [*models(), *cells()]}
    again = place / "again.log"
    assert start(["--study", str(killed)], again, "study").wait(timeout=580) == 0
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert found(place / "killed") == found(place / "whole")
    assert "2 of 2 pre-trainings are done already" in again.read_text(encoding="utf-8")


def test_sigterm_ends_it_and_the_same_command_goes_on(place: Path) -> None:
    study, log = write_study(place, "stopped"), place / "log"
    job = start(["--study", str(study)], log, "study")
    wait_until(lambda: bool(list((place / "stopped" / "runs").glob("study-mlm-*/losses.jsonl"))))
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=120) != 0
    assert "Traceback" not in log.read_text(encoding="utf-8")
    assert start(["--study", str(study)], log, "study").wait(timeout=580) == 0
