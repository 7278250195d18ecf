"""The plan of the house: what lies where. Who may import whom is a contract in pyproject.toml (`lint-imports`)."""

import subprocess
import sys
from pathlib import Path

import weam_ray

PACKAGE = Path(weam_ray.__file__).parent
TESTS = Path(__file__).parent
OF_NO_FOLDER = {"benchmarks", "support"}  # of the tests: of `benchmarks/`, and helpers


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir() and any(path.rglob("*.py"))}


def test_few_modules_lie_in_the_hall() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert len(modules) <= 5, sorted(modules)


def test_every_job_has_its_module() -> None:
    jobs = {path.stem for path in (PACKAGE.parent / "jobs").glob("*.py")}
    assert jobs == {"pretrain", "corpus", "align", "evaluate", "tune", "study", "example"}
    assert jobs <= {path.stem for path in (PACKAGE / "jobs").glob("*.py")}


def test_tests_have_the_folders_of_the_package() -> None:
    assert folders(TESTS) - OF_NO_FOLDER <= folders(PACKAGE)


def test_modules_can_be_read_at_a_sitting() -> None:
    long = {path.name: size for path in PACKAGE.rglob("*.py") if (size := len(path.read_text().splitlines())) > 400}
    assert not long


def test_drivers_do_without_the_heavy_libraries() -> None:
    """They take seconds to import, and only workers and tasks need them."""
    modules = ["jobs.pretrain", "jobs.preview", "jobs.align", "jobs.tune", "search.trial"]
    heavy = {"torch", "transformers", "deepspeed", "mlflow", "matplotlib"}
    steps = [f"import weam_ray.{name}; print('{name}', *{heavy!r} & set(sys.modules))" for name in modules]
    command = [sys.executable, "-c", "\n".join(["import sys", *steps])]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert found.stdout.split() == modules
