"""The step files: appended, cut on resuming, read beside a writer."""

import json
from pathlib import Path
from typing import Any

import pytest

from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.follow import Follower, merged, monitored
from weam_ray.train.log import StepLog, cut, read_steps
from weam_ray.train.record import StepRecord


def record(step: int, loss: float = 1.0, seconds: float = 0.5) -> StepRecord:
    return StepRecord(step, loss, {"multilingual_loss": loss}, 1e-3, 2.0, 100, 15, 0, seconds, 0.01, 0.02, 0, 0, 20)


def write(folder: Path, done: int, steps: range, seconds: float = 0.5) -> None:
    log = StepLog(TrainingFolder(folder), done)
    for step in steps:
        log.write(record(step, 10.0 / step, seconds))
    log.close()


def test_a_line_a_step(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 4))
    lines = read_steps(tmp_path / "losses.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert {"step", "loss", "multilingual_loss", "learning_rate", "tokens"} <= lines[0].keys()
    assert [line["seconds"] for line in read_steps(tmp_path / "timings.jsonl")] == [0.5] * 3


def test_resuming_cuts_back_to_the_checkpoint_and_equals_an_undisturbed_run(tmp_path: Path) -> None:
    write(tmp_path / "whole", 0, range(1, 9), seconds=0.5)
    write(tmp_path / "resumed", 0, range(1, 6), seconds=0.5)
    write(tmp_path / "resumed", 3, range(4, 9), seconds=0.9)
    assert (tmp_path / "whole" / "losses.jsonl").read_bytes() == (tmp_path / "resumed" / "losses.jsonl").read_bytes()
    assert len(read_steps(tmp_path / "resumed" / "timings.jsonl")) == 8


def test_a_line_cut_short_by_a_crash_does_not_count(tmp_path: Path) -> None:
    file = tmp_path / "losses.jsonl"
    file.write_text(json.dumps({"step": 1}) + "\n" + '{"step": 2, "lo', encoding="utf-8")
    assert read_steps(file) == [{"step": 1}]
    cut(file, done=5)
    assert file.read_text(encoding="utf-8") == '{"step": 1}\n'


def test_no_file_is_no_steps(tmp_path: Path) -> None:
    assert read_steps(tmp_path / "losses.jsonl") == []


class Bar:
    """Stands in for a progress bar."""

    def __init__(self) -> None:
        self.n = 0
        self.closed = False

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        self.text = text

    def update(self, steps: int) -> None:
        self.n += steps

    def close(self) -> None:
        self.closed = True


def test_monitor_passes_each_step_once_though_the_workers_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weam_ray.train.follow.POLL_SECONDS", 0.01)
    passed: list[dict[str, Any]] = []
    bar = Bar()
    with monitored(TrainingFolder(tmp_path), passed.extend, bar):
        write(tmp_path, 0, range(1, 6))
        while len(passed) < 5:
            pass
        write(tmp_path, 2, range(3, 8))
    assert [step["step"] for step in passed] == [1, 2, 3, 4, 5, 6, 7]
    assert [step["tokens_seen"] for step in passed] == [100, 200, 300, 400, 500, 600, 700]
    assert (bar.n, bar.closed) == (7, True)


def test_follower_reads_what_was_added(tmp_path: Path) -> None:
    file = tmp_path / "losses.jsonl"
    follower = Follower(file)
    assert follower.read() == {}
    file.write_text('{"step": 1}\n{"step": 2}\n{"st', encoding="utf-8")
    assert list(follower.read()) == [1, 2]
    assert follower.read() == {}
    with file.open("a", encoding="utf-8") as stream:
        stream.write('ep": 3}\n')
    assert list(follower.read()) == [3]
    cut(file, done=1)
    assert list(follower.read()) == [1]


def test_merged_joins_losses_and_timings(tmp_path: Path) -> None:
    write(tmp_path, 0, range(1, 4))
    assert [(entry["loss"], entry["seconds"]) for entry in merged(TrainingFolder(tmp_path))] == [
        (10.0, 0.5),
        (5.0, 0.5),
        (10 / 3, 0.5),
    ]
