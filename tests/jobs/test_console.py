"""The command `weam-ray`: what it has, what it loads, and that a built wheel has all of it."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from weam_ray.jobs.console import COMMANDS, main, sentence_of
from weam_ray.search.space import SHIPPED as SPACES
from weam_ray.settings.config import SHIPPED

CHECKOUT = Path(__file__).resolve().parents[2]


def test_every_script_is_a_command() -> None:
    assert {file.stem for file in (CHECKOUT / "jobs").glob("*.py")} <= {*COMMANDS}


def test_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["weam-ray", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for name, command in COMMANDS.items():
        assert f"\n  {name} " in shown
        assert sentence_of(command) in " ".join(shown.split())


def test_an_unknown_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["weam-ray", "pretrian"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "invalid choice: 'pretrian' (choose from" in capsys.readouterr().err


def test_help_loads_no_heavy_library() -> None:
    heavy = {"ray", "torch", "transformers", "deepspeed", "mlflow", "matplotlib", "pyarrow", "numba"}
    code = f"""
import atexit, sys
atexit.register(lambda: print(*{heavy!r} & set(sys.modules), file=sys.stderr))
from weam_ray.jobs.console import main
main()
"""
    for name in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-c", code, name, "--help"], capture_output=True, text=True, check=True, cwd=CHECKOUT
        )
        assert f"usage: weam-ray {name}" in done.stdout
        assert done.stderr.split() == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with a built wheel, beside the libraries of this one; its folder."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in ("weam_ray", "pyproject.toml", "README.md", "LICENSE"):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(CHECKOUT / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*build, "--wheel-dir", str(place), str(source)], check=True, cwd=place)
    (wheel,) = place.glob("*.whl")
    environment = place / "environment"
    venv.create(environment, symlinks=True)
    libraries = environment / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, cwd=place)
    (libraries / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return environment


def test_a_wheel_has_configurations_and_spaces(installed: Path) -> None:
    (wheel,) = installed.parent.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for file in (*SHIPPED.glob("*.yaml"), *SPACES.glob("*.py")):
        assert f"weam_ray/{file.relative_to(CHECKOUT / 'weam_ray')}" in names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"weam_ray"}


def test_the_installed_command(installed: Path, tmp_path: Path) -> None:
    """From an empty folder, which is its home."""
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "WEAM_RAY_HOME")}

    command = [installed / "bin" / "weam-ray", "tune", "--dry-run", "--space", "weam"]
    done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "search objective.lambda: LogUniform(low=0.1, high=10.0" in done.stdout
    assert f"folder {tmp_path}/runs/search-bundled-" in done.stdout
    assert list(tmp_path.iterdir()) == []
