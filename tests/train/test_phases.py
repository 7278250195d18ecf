"""Notes of what a training begins, and the seconds that follow from them."""

import json
from pathlib import Path

from weam_ray.train.phases import CHECKPOINTS, ENGINE, NAMES, NOTHING, PHASES, STEPS, WORKERS, begin, seconds_of


def noted(folder: Path, *entries: tuple[str, float]) -> dict[str, float]:
    lines = [json.dumps({"phase": phase, "at": at}) + "\n" for phase, at in entries]
    (folder / PHASES).write_text("".join(lines), encoding="utf-8")
    return {name: seconds for name, seconds in seconds_of(folder).items() if seconds}


def test_a_phase_lasts_until_the_next(tmp_path: Path) -> None:
    found = noted(
        tmp_path, (WORKERS, 0), (ENGINE, 5), (STEPS, 7), (CHECKPOINTS, 17), (STEPS, 18), (NOTHING, 20), (WORKERS, 90)
    )
    assert found == {WORKERS: 5, ENGINE: 2, STEPS: 12, CHECKPOINTS: 1}


def test_what_a_kill_broke_off_does_not_count(tmp_path: Path) -> None:
    assert noted(tmp_path, (WORKERS, 0), (STEPS, 5), (WORKERS, 1000), (STEPS, 1003), (NOTHING, 1004)) == {
        WORKERS: 8,
        STEPS: 1,
    }


def test_notes_are_as_they_were_begun(tmp_path: Path) -> None:
    assert set(seconds_of(tmp_path)) == set(NAMES)
    for phase in (WORKERS, STEPS, NOTHING):
        begin(tmp_path, phase)
    lines = [json.loads(line) for line in (tmp_path / PHASES).read_text(encoding="utf-8").splitlines()]
    assert [line["phase"] for line in lines] == [WORKERS, STEPS, NOTHING]
    assert sorted(line["at"] for line in lines) == [line["at"] for line in lines]


def test_a_line_that_a_full_disk_cut_ends_the_count_not_the_search(tmp_path: Path) -> None:
    begin(tmp_path, WORKERS)
    with (tmp_path / PHASES).open("a", encoding="utf-8") as file:
        file.write('{"phase": "st')
    begin(tmp_path, NOTHING)
    assert set(seconds_of(tmp_path).values()) == {0.0}
