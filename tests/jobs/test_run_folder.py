"""The home, and run folders: new, unfinished, finished, taken."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from weam_ray.errors import UserError
from weam_ray.jobs.run_folder import FINISHED, RUNNING, RunFolder
from weam_ray.pipeline import StagePlan, run_fingerprint
from weam_ray.settings.config import Config, load_config
from weam_ray.store.files import write_whole
from weam_ray.store.home import Home
from weam_ray.store.lease import exclusive

RUN = "0123456789abcdef"


@pytest.fixture(autouse=True)
def no_home_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEAM_RAY_HOME", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.of(load_config("bundled", [f"home={tmp_path / 'home'}"]), tmp_path)


def locked(folder: RunFolder) -> AbstractContextManager[None]:
    return exclusive(folder.path, "output.dir", "wait for it, or use --fresh")


def begin(home: Home, run: str = RUN, config: Config | None = None) -> RunFolder:
    """A run that has begun."""
    config = config or load_config("bundled")
    folder = RunFolder.of(config, home, run, fresh=False)
    folder.state.sessions = 1
    write_whole(folder.config_file, config.to_yaml())
    folder.save()
    return folder


def test_home_is_the_checkout(tmp_path: Path) -> None:
    home = Home.of(load_config("bundled"), tmp_path)
    assert home.path == tmp_path
    assert home.stages.path == str((tmp_path / "stages").resolve())


def test_home_of_the_environment_goes_before_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAM_RAY_HOME", str(tmp_path / "there"))
    assert Home.of(load_config("bundled"), tmp_path / "checkout").path == tmp_path / "there"


def test_home_of_the_setting_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAM_RAY_HOME", str(tmp_path / "there"))
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    config = load_config("bundled", [f"home={tmp_path / 'set'}"])
    assert Home.of(config, tmp_path / "checkout").path == tmp_path / "set"


def test_empty_variable_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAM_RAY_HOME", "")
    assert Home.of(load_config("bundled"), tmp_path).path == tmp_path


def test_home_inside_a_ray_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.of(load_config("bundled"), tmp_path / "checkout").path == tmp_path / "weam_ray"
    assert "~/weam_ray" in capsys.readouterr().out
    monkeypatch.setenv("WEAM_RAY_HOME", str(tmp_path / "there"))
    assert Home.of(load_config("bundled"), tmp_path / "checkout").path == tmp_path / "there"


def test_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Home.of(load_config("bundled", ["home=here"]), tmp_path).path == tmp_path / "here"


def test_stages_can_be_kept_elsewhere(tmp_path: Path) -> None:
    config = load_config("bundled", [f"home={tmp_path}", f"stages={(tmp_path / 'shared').as_uri()}"])
    assert Home.of(config, tmp_path).stages.path == str(tmp_path / "shared")


def test_new_run(home: Home) -> None:
    folder = RunFolder.of(load_config("bundled"), home, RUN, fresh=False)
    assert folder.path == home.path / "runs" / "bundled-01234567"
    assert (folder.state.status, folder.state.sessions, folder.finished) == (RUNNING, 0, False)
    assert not folder.path.exists()


def test_folder_of_the_setting(home: Home, tmp_path: Path) -> None:
    config = load_config("bundled", [f"output.dir={tmp_path / 'mine'}"])
    (tmp_path / "mine").mkdir()
    assert RunFolder.of(config, home, RUN, fresh=False).path == tmp_path / "mine"


def test_unfinished_run_goes_on(home: Home) -> None:
    begun = begin(home)
    begun.state.mlflow_run_id = "abc"
    begun.state.seconds["stages"] = 1.5
    begun.save()
    again = RunFolder.of(load_config("bundled"), home, RUN, fresh=False)
    assert again.path == begun.path
    assert again.state == begun.state
    assert not again.finished


def test_finished_run(home: Home) -> None:
    done = begin(home)
    done.state.status = FINISHED
    done.save()
    done.write_result({"steps": 6})
    again = RunFolder.of(load_config("bundled"), home, RUN, fresh=False)
    assert again.finished
    assert again.result() == {"steps": 6}


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("objective.lambda=0.5", "objective.lambda: 1.0 there, 0.5 here"),
        ("training.max_steps=7", f"training.max_steps: {load_config('bundled').training.max_steps} there, 7 here"),
        ("optimizer.betas=[0.5, 0.6]", "optimizer.betas"),
    ],
)
def test_folder_of_another_configuration(home: Home, tmp_path: Path, override: str, key: str) -> None:
    place = f"output.dir={tmp_path / 'mine'}"
    begin(home, config=load_config("bundled", [place]))
    with pytest.raises(UserError) as caught:
        RunFolder.of(load_config("bundled", [place, override]), home, "f" * 16, fresh=False)
    message = str(caught.value)
    assert str(tmp_path / "mine") in message
    assert key in message
    assert "learning_rate" not in message  # the same in both
    assert "the data differ" not in message


def test_folder_of_another_configuration_names_what_matters_only(home: Home, tmp_path: Path) -> None:
    place = f"output.dir={tmp_path / 'mine'}"
    begin(home, config=load_config("bundled", [place]))
    others = [place, "objective.lambda=0.5", "cluster.data_cpus=0.25", "tracking.experiment=other", "name=other"]
    with pytest.raises(UserError, match=r"objective\.lambda") as caught:
        RunFolder.of(load_config("bundled", others), home, "f" * 16, fresh=False)
    message = str(caught.value).replace(str(tmp_path), "")
    assert [key for key in ("data_cpus", "experiment", "name:") if key in message] == []


def test_folder_of_other_data(home: Home, tmp_path: Path) -> None:
    config = load_config("bundled", [f"output.dir={tmp_path / 'mine'}"])
    begin(home, config=config)
    with pytest.raises(UserError, match="the data differ"):
        RunFolder.of(config, home, "f" * 16, fresh=False)


def test_folder_with_something_else(home: Home, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    for name, reason in {"photos": "holds no run", "file": "this is a file"}.items():
        with pytest.raises(UserError, match=reason) as caught:
            RunFolder.of(load_config("bundled", [f"output.dir={tmp_path / name}"]), home, RUN, fresh=False)
        assert str(tmp_path / name) in str(caught.value)


def test_fresh_takes_the_next_number(home: Home) -> None:
    config = load_config("bundled")
    names = []
    for _ in range(4):
        folder = RunFolder.of(config, home, RUN, fresh=True)
        folder.save()
        names.append(folder.path.name)
    first = "bundled-01234567"
    assert names == [first, f"{first}-2", f"{first}-3", f"{first}-4"]


def test_fresh_of_a_finished_run_is_new(home: Home) -> None:
    done = begin(home)
    done.state.status = FINISHED
    done.save()
    fresh = RunFolder.of(load_config("bundled"), home, RUN, fresh=True)
    assert not fresh.finished
    assert fresh.path != done.path


def test_files_are_written_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin(home)
    before = folder.config_file.read_text(encoding="utf-8")

    def crash(*_: object) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        with pytest.raises(OSError, match="killed here"):
            write_whole(folder.config_file, "half")
    assert folder.config_file.read_text(encoding="utf-8") == before


def leave_lease(folder: Path, pid: int) -> None:
    """The lease of a process of this machine, as it stands in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    entry = {"attempt": "other", "host": socket.gethostname(), "pid": pid, "started": now, "heartbeat": now}
    (folder / "lease-other.json").write_text(json.dumps(entry), encoding="utf-8")


def test_lock_of_a_live_process_refuses(home: Home) -> None:
    folder = begin(home)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        leave_lease(folder.path, process.pid)
        with pytest.raises(UserError, match=f"process {process.pid} on") as caught, locked(folder):
            raise AssertionError("the folder was locked twice")
        assert str(folder.path) in str(caught.value)
    finally:
        process.kill()
        process.wait()
    with locked(folder):
        assert RunFolder.of(load_config("bundled"), home, RUN, fresh=False).path == folder.path


def test_lock_is_given_back(home: Home) -> None:
    folder = begin(home)

    def interrupted() -> None:
        with locked(folder):
            assert [name for name in os.listdir(folder.path) if name.startswith("lease-")]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(os.listdir(folder.path)) == ["config.yaml", "state.json"]


def test_lock_of_a_run_that_wrote_nothing_leaves_nothing(home: Home) -> None:
    folder = RunFolder.of(load_config("bundled"), home, RUN, fresh=False)
    with pytest.raises(UserError, match="no such file"), locked(folder):
        raise UserError("no such file")
    assert not folder.path.exists()


def lease_only(folder: Path) -> None:
    leave_lease(folder, 2**22 + 1)  # more than any process id of Linux


def configuration_only(folder: Path) -> None:
    lease_only(folder)
    (folder / "config.yaml").write_text(load_config("bundled").to_yaml(), encoding="utf-8")


@pytest.mark.parametrize("leftover", [lease_only, configuration_only])
def test_run_that_was_killed_before_its_first_state(home: Home, leftover: Callable[[Path], None]) -> None:
    """Killed while its stages were built, or while MLflow was opened: the same command goes on."""
    leftover(home.path / "runs" / "bundled-01234567")
    folder = RunFolder.of(load_config("bundled"), home, RUN, fresh=False)
    assert (folder.state.status, folder.state.sessions) == (RUNNING, 0)


def fingerprint_of(config: Config, home: Home) -> str:
    hashes = home.source_hashes()
    return run_fingerprint(config, StagePlan.of(config, hashes))


def test_fingerprint_is_of_what_changes_a_result(tiny_config: Config, home: Home, tmp_path: Path) -> None:
    def changed(**sections: dict[str, object]) -> str:
        tree = tiny_config.tree()
        for name, values in sections.items():
            tree[name] = {**tree[name], **values}
        return fingerprint_of(Config.model_validate(tree), home)

    plain = fingerprint_of(tiny_config, home)
    assert changed(cluster={"data_cpus": 0.5}, tracking={"experiment": "other"}) == plain
    others = [
        changed(objective={"lambda": 0.5}),
        changed(seeds={"model": 9}),
        changed(training={"max_steps": 5}),
        changed(corpus={"held_out": 10}),
        changed(encoder={"dropout": 0.3}),
    ]
    assert len({plain, *others}) == 6


def test_fingerprint_is_of_the_content_of_the_sources(
    tiny_config: Config, moses_files: tuple[Path, Path], home: Home, tmp_path: Path
) -> None:
    plain = fingerprint_of(tiny_config, home)
    tree = tiny_config.tree()
    moved = tmp_path / "moved.en"
    moved.write_bytes(moses_files[0].read_bytes())
    tree["corpus"]["sources"][0]["source"] = str(moved)
    elsewhere = Config.model_validate(tree)
    assert fingerprint_of(elsewhere, home) == plain
    with moved.open("a", encoding="utf-8") as file:
        file.write("one more line\n")
    assert fingerprint_of(elsewhere, home) != plain
