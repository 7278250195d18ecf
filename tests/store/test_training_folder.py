"""What driver and workers of a training tell each other through files."""

import re
from pathlib import Path

import pytest

from weam_ray.store.training_folder import MISTAKE_BYTES, TrainingFolder


@pytest.fixture
def folder(tmp_path: Path) -> TrainingFolder:
    made = TrainingFolder(tmp_path)
    made.prepare()
    return made


def test_a_stop_keeps_a_checkpoint_and_an_abandonment_does_not(folder: TrainingFolder) -> None:
    assert not folder.is_to_stop
    folder.ask_to_stop()
    assert folder.is_to_stop
    assert not folder.is_abandoned
    folder.abandon()
    assert folder.is_to_stop
    assert folder.is_abandoned


def test_an_earlier_session_is_forgotten(folder: TrainingFolder) -> None:
    folder.abandon()
    folder.write_mistake("A mistake.")
    folder.prepare()
    assert (folder.is_to_stop, folder.is_abandoned, folder.take_mistake()) == (False, False, "")


def test_a_mistake_needs_no_more_room_than_there_was_made_for_it(folder: TrainingFolder) -> None:
    (file,) = folder.path.iterdir()
    folder.write_mistake("Lower optimizer.learning_rate.")
    assert file.stat().st_size == MISTAKE_BYTES
    assert folder.take_mistake() == "Lower optimizer.learning_rate."


def test_nothing_is_left_where_there_was_no_mistake(folder: TrainingFolder) -> None:
    assert folder.take_mistake() == ""
    assert list(folder.path.iterdir()) == []


def test_no_other_module_spells_the_names_of_its_files(folder: TrainingFolder) -> None:
    package = Path(__file__).parents[2] / "weam_ray"
    names = ("losses.jsonl", "timings.jsonl", "held_out.jsonl", "phases.jsonl", "mistake.txt", "abandoned")
    spelled = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if re.search("|".join(f'"{re.escape(name)}"' for name in names), file.read_text(encoding="utf-8"))
    }
    assert spelled == {"store/training_folder.py"}
