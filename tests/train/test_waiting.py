"""What a training says while it waits for room."""

from pathlib import Path

import pytest

from tests.support.processes import wait_until
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train import phases, waiting
from weam_ray.train.phases import Phase


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingFolder:
    monkeypatch.setattr(waiting, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr("ray.available_resources", lambda: {"CPU": 1.5})
    monkeypatch.setattr(
        "ray.util.placement_group_table", lambda: {"a": {"state": "REMOVED"}, "b": {"state": "PENDING"}}
    )
    folder = TrainingFolder(tmp_path)
    phases.begin(folder, Phase.WORKERS)
    return folder


def test_what_is_lacking(folder: TrainingFolder) -> None:
    assert waiting.lacking(1, {"CPU": 1.0}) == ""
    assert "1.5 CPU of 2 are free" in waiting.lacking(2, {"CPU": 1.0})
    assert "1.5 CPU of 2 and 0 GPU of 2 are free" in waiting.lacking(2, {"CPU": 1.0, "GPU": 1.0})


def test_nothing_is_lacking_that_the_workers_themselves_hold(
    folder: TrainingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray.util.placement_group_table", lambda: {"b": {"state": "CREATED"}})
    assert waiting.lacking(2, {"CPU": 1.0}) == ""


def test_one_line_while_it_waits(folder: TrainingFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of the next minutes, for whose end it is not waited."""
    said: list[str] = []
    monkeypatch.setattr("builtins.print", lambda line, **_: said.append(line))
    with waiting.told_of_waiting(folder, 2, {"CPU": 1.0}) as watch:
        wait_until(lambda: bool(said), 20)
        assert watch.is_alive()
    assert len(said) == 1
    assert "the workers wait for room" in said[0]


def test_nothing_once_workers_have_begun(folder: TrainingFolder, capsys: pytest.CaptureFixture[str]) -> None:
    phases.begin(folder, Phase.ENGINE)
    with waiting.told_of_waiting(folder, 2, {"CPU": 1.0}) as watch:
        watch.join(20)  # it ends by itself
        assert not watch.is_alive()
    assert capsys.readouterr().out == ""
