"""Checkpoints that are whole, and those that are not."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from weam_ray.errors import UserError
from weam_ray.settings.config import Config, load_config
from weam_ray.train import checkpoint
from weam_ray.train.checkpoint import PREFIX, STATE, commit, damage, disk_is_full, latest, read_state, sweep


@pytest.fixture
def config() -> Config:
    return load_config("bundled")


def make(storage: Path, step: int, config: Config, attempt: str = "a") -> Path:
    folder = storage / f"{PREFIX}{step:08d}-{attempt}"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "weights.pt").write_bytes(b"w" * 100)
    (folder / "state" / "moments.pt").write_bytes(b"m" * 50)
    commit(folder, step, config.training, "f00d")
    return folder


def test_state_is_readable_and_lists_the_files(tmp_path: Path, config: Config) -> None:
    state = read_state(make(tmp_path, 7, config))
    assert (state.step, state.num_workers, state.zero_stage, state.fingerprint) == (7, 1, 0, "f00d")
    assert state.files == {"state/moments.pt": 50, "state/weights.pt": 100}


def test_the_latest_is_of_the_most_steps(tmp_path: Path, config: Config) -> None:
    (tmp_path / "checkpoint_manager_snapshot.json").write_text("Ray's own")
    assert latest(tmp_path) == (None, [])
    for step in (900, 1000, 20):
        make(tmp_path, step, config)
    assert latest(tmp_path) == (tmp_path / f"{PREFIX}00001000-a", [])


def unfinished(folder: Path) -> None:
    (folder / STATE).unlink()


def cut_state(folder: Path) -> None:
    (folder / STATE).write_text((folder / STATE).read_text()[:-20])


def another_state(folder: Path) -> None:
    (folder / STATE).write_text('{"step": 3}')


def truncated(folder: Path) -> None:
    (folder / "state" / "weights.pt").write_bytes(b"w" * 99)


def missing(folder: Path) -> None:
    (folder / "state" / "moments.pt").unlink()


DAMAGES = {
    unfinished: "it was not finished",
    cut_state: f"its {STATE} is damaged",
    another_state: f"its {STATE} is damaged",
    truncated: "state/weights.pt has 99 of 100 bytes",
    missing: "state/moments.pt has 0 of 50 bytes",
}


@pytest.mark.parametrize("harm", DAMAGES)
def test_the_one_before_a_damaged_one_is_used_and_it_says_so(
    tmp_path: Path, config: Config, harm: Callable[[Path], None]
) -> None:
    good, bad = make(tmp_path, 5, config), make(tmp_path, 10, config)
    harm(bad)
    chosen, (note,) = latest(tmp_path)
    assert chosen == good
    assert str(bad) in note
    assert DAMAGES[harm] in note
    assert damage(good) is None


def test_unfinished_ones_and_old_ones_are_swept(tmp_path: Path, config: Config) -> None:
    old, older, good, better, bad, gone = (make(tmp_path, step, config) for step in (2, 1, 5, 7, 10, 15))
    truncated(bad)
    unfinished(gone)
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [good, better, bad]
    sweep(tmp_path)
    assert not old.exists()
    assert not older.exists()
    assert latest(tmp_path)[0] == better


def test_where_the_optimizer_state_can_follow_to(tmp_path: Path, config: Config) -> None:
    state = read_state(make(tmp_path, 5, config))
    state.check(config.training)
    state.check(load_config("bundled", ["training.num_workers=2"]).training)  # at stage 0 each worker holds all of it
    other = load_config("bundled", ["training.num_workers=2", "training.zero_stage=1"])
    with pytest.raises(
        UserError, match=r"step 5 was made by 1 worker at ZeRO stage 0 in fp32; .* to 2 workers at stage 1"
    ):
        state.check(other.training)


def test_a_full_disk_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk_is_full(OSError(errno.ENOSPC, "No space left on device"), tmp_path)
    assert not disk_is_full(OSError(errno.EACCES, "Permission denied"), tmp_path)
    torch_says = RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
    assert not disk_is_full(torch_says, tmp_path)
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 0}))
    assert disk_is_full(torch_says, tmp_path)
    assert not checkpoint.has_room(tmp_path, 10)
