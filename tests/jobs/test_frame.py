"""What all jobs share: whose a folder is, the lease on it, the clock, the last words."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.leases import leave_lease
from weam_ray.errors import UserError
from weam_ray.jobs.frame import Clock, Frame, Kind, check_holder, holder
from weam_ray.jobs.run_folder import RunFolder
from weam_ray.search.ledger import Ledger
from weam_ray.settings.config import load_config
from weam_ray.store.folder import Folder
from weam_ray.store.home import Home


def leave_run(folder: Path) -> None:
    RunFolder(folder, "0" * 16).save()


def leave_search(folder: Path) -> None:
    Ledger(folder, "0" * 16).save()


def leave_alignment(folder: Path) -> None:
    (folder / "alignment.json").write_text('{"fingerprint": "0"}', encoding="utf-8")


def leave_evaluation(folder: Path) -> None:
    (folder / "plan.json").write_text(json.dumps({"identity": {}, "runs": {}}), encoding="utf-8")


LEFT: dict[Kind, Callable[[Path], None]] = {
    Kind.RUN: leave_run,
    Kind.SEARCH: leave_search,
    Kind.ALIGNMENT: leave_alignment,
    Kind.EVALUATION: leave_evaluation,
}


@pytest.mark.parametrize("left", LEFT)
def test_a_folder_is_of_one_kind_of_job(tmp_path: Path, left: Kind) -> None:
    """Every other job names what is there, instead of failing in a state file that it does not know."""
    assert holder(tmp_path) is None
    LEFT[left](tmp_path)
    assert holder(tmp_path) == left
    for kind in Kind:
        if kind == left:
            check_holder(tmp_path, kind, "--output")
        else:
            with pytest.raises(UserError, match=f"--output {tmp_path}: {left} is there; name another folder"):
                check_holder(tmp_path, kind, "--output")


def test_a_plan_of_others_is_no_evaluation(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}", encoding="utf-8")
    assert holder(tmp_path) is None


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    config = load_config("bundled", [f"home={tmp_path / 'home'}"])
    return Frame(Home.of(config, tmp_path), tmp_path / "out", "--output", config)


def test_the_folder_is_held_against_a_second_process(frame: Frame) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        leave_lease(Folder.at(frame.folder), "other", pid=process.pid)
        sentence = f"process {process.pid} on .* is at work there; wait for it, or name another folder with --output"
        with pytest.raises(UserError, match=sentence), frame.held():
            raise AssertionError("the folder was held twice")
    finally:
        process.kill()
        process.wait()
    with frame.held():
        assert [file.name.split("-")[0] for file in frame.folder.iterdir()] == ["lease"]
    assert not frame.folder.exists()  # nothing was written into it


def test_a_phase_that_comes_again_is_added_to() -> None:
    clock = Clock({"stages": 5.0})
    with clock.phase("stages"):
        pass
    with pytest.raises(KeyError), clock.phase("training"):
        raise KeyError
    assert clock.seconds["stages"] >= 5.0
    assert list(clock.seconds) == ["stages", "training"]
    assert clock.line() == "stages 5 s, training 0 s; 0 s in all"


def test_the_last_words(frame: Frame, capsys: pytest.CaptureFixture[str]) -> None:
    frame.say_where(["result.json", "model/"], "run", "http://127.0.0.1:5000/#/1")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"Results: {frame.folder} (result.json, model/)"
    assert second.startswith("Compare runs: mlflow ui --backend-store-uri sqlite:///")
    assert third == "The run in MLflow: http://127.0.0.1:5000/#/1"
