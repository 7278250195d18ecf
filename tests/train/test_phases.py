"""Notes of what a training begins, and the seconds that follow from them."""

import json
from pathlib import Path

from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.phases import END, Phase, begin, seconds_of


def noted(folder: Path, *entries: tuple[str, float]) -> dict[str, float]:
    lines = [json.dumps({"phase": phase, "at": at}) + "\n" for phase, at in entries]
    TrainingFolder(folder).phases.write_text("".join(lines), encoding="utf-8")
    return {name: seconds for name, seconds in seconds_of(TrainingFolder(folder)).items() if seconds}


def test_a_phase_lasts_until_the_next(tmp_path: Path) -> None:
    found = noted(
        tmp_path,
        (Phase.WORKERS, 0),
        (Phase.ENGINE, 5),
        (Phase.STEPS, 7),
        (Phase.CHECKPOINTS, 17),
        (Phase.STEPS, 18),
        (END, 20),
        (Phase.WORKERS, 90),
    )
    assert found == {Phase.WORKERS: 5, Phase.ENGINE: 2, Phase.STEPS: 12, Phase.CHECKPOINTS: 1}


def test_what_a_kill_broke_off_does_not_count(tmp_path: Path) -> None:
    assert noted(
        tmp_path, (Phase.WORKERS, 0), (Phase.STEPS, 5), (Phase.WORKERS, 1000), (Phase.STEPS, 1003), (END, 1004)
    ) == {
        Phase.WORKERS: 8,
        Phase.STEPS: 1,
    }


def test_notes_are_as_they_were_begun(tmp_path: Path) -> None:
    assert set(seconds_of(TrainingFolder(tmp_path))) == set(Phase)
    for phase in (Phase.WORKERS, Phase.STEPS, None):
        begin(TrainingFolder(tmp_path), phase)
    lines = [json.loads(line) for line in TrainingFolder(tmp_path).phases.read_text(encoding="utf-8").splitlines()]
    assert [line["phase"] for line in lines] == ["workers", "steps", END]
    assert sorted(line["at"] for line in lines) == [line["at"] for line in lines]


def test_a_line_that_a_full_disk_cut_ends_the_count_not_the_search(tmp_path: Path) -> None:
    begin(TrainingFolder(tmp_path), Phase.WORKERS)
    with TrainingFolder(tmp_path).phases.open("a", encoding="utf-8") as file:
        file.write('{"phase": "st')
    begin(TrainingFolder(tmp_path), None)
    assert set(seconds_of(TrainingFolder(tmp_path)).values()) == {0.0}
