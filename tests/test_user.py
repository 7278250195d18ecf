"""Users without a name or a home of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import CHECKOUT
from weam_ray import user

VARIABLES = (
    "HOME",
    "USER",
    "LOGNAME",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "MPLCONFIGDIR",
    "RAY_AUTH_TOKEN",
)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, and an environment that says nothing of the user."""
    for variable in (*VARIABLES, "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(variable, "")  # so that it is put back
        monkeypatch.delenv(variable)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path / f"weam-ray-home-{os.getuid()}"


def told() -> dict[str, str]:
    return {variable: os.environ[variable] for variable in VARIABLES if variable in os.environ}


def test_a_usual_user_is_left_alone(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    user.settle()
    assert told() == {"HOME": str(tmp_path)}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", ["nowhere", "~", ""])
def test_a_user_without_a_home(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.setenv("HOME", home if home == "~" else str(tmp_path / home) if home else "/proc/nobody")
    user.settle()
    assert told() == {"HOME": str(own)}
    assert own.stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_written_is_still_the_home(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".cache" / "huggingface").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("os.access", lambda *_: False)
    user.settle()
    found = told()
    assert len(found.pop("RAY_AUTH_TOKEN")) == 64
    assert found == {
        "HOME": str(home),
        "HF_HOME": str(home / ".cache" / "huggingface"),  # models that are there are still found
        "XDG_CACHE_HOME": str(own / ".cache"),
        "XDG_CONFIG_HOME": str(own / ".config"),
        "MPLCONFIGDIR": str(own / ".config" / "matplotlib"),
    }


def test_a_user_without_a_name(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setenv("HOME", str(tmp_path))
    user.settle()
    assert told() == {"HOME": str(tmp_path), "USER": f"user-{os.getuid()}", "LOGNAME": f"user-{os.getuid()}"}


def test_a_folder_of_somebody_else_is_not_used(own: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    own.symlink_to(tmp_path / "theirs")
    assert user.own_folder(os.getuid()).name.startswith(f"{own.name}-")


SCRIPT = """
import getpass, json
from pathlib import Path
import weam_ray.align.symmetrize
print(json.dumps([getpass.getuser(), str(Path.home())]))
"""


def test_kernels_find_a_place_for_a_user_without_name_and_home(tmp_path: Path) -> None:
    """As a container has it that is run with another user's number."""
    python = ["setpriv", "--reuid", "12345", "--clear-groups", sys.executable, "-B", "-c"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    reachable = [*python, f"import numba; open({str(CHECKOUT / 'weam_ray' / 'user.py')!r})"]
    if os.geteuid() != 0 or subprocess.run(reachable, env=variables, check=False, capture_output=True).returncode:
        pytest.skip("being another user takes root, setpriv, and a Python that others can run")
    done = subprocess.run([*python, SCRIPT], env=variables, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr[-2000:]
    name, home = json.loads(done.stdout)
    assert (name, Path(home).name) == ("user-12345", "weam-ray-home-12345")
