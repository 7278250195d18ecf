"""Where the results of a job go, and whether a folder is free for them."""

from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.settings.services import OutputSection
from weam_ray.store.files import check_folder
from weam_ray.store.home import Home
from weam_ray.store.training_folder import CONFIG

PLAN = "plan.json"  # of an evaluation: what it is of, and its runs


def output_folder(output: OutputSection, home: Home, name: str, fresh: bool) -> Path:
    """Where a job's results go: `output.dir`, else a folder of the home's; `fresh`: the next that is not in use.

    Raises:
        UserError: it cannot be a folder.
    """
    path = Path(output.dir) if output.dir else home.path / "runs" / name
    check_folder(path, "output.dir")
    return unused(path) if fresh else path


def check_free(path: Path, what: str) -> None:
    """See that a folder without a state of ours has nothing in it.

    Raises:
        UserError: it has, or it is a file.
    """
    if path.exists() and (not path.is_dir() or any(not begun(entry.name) for entry in path.iterdir())):
        raise UserError(f"output.dir={path} is not empty and holds no {what}; choose another folder.")


def begun(name: str) -> bool:
    """Whether a file may stem from a run of ours that was interrupted before its first state was written."""
    return name.startswith(("lease-", ".")) or name == CONFIG


def unused(path: Path) -> Path:
    """The path itself, or with the first number from 2 on that is not in use."""
    number = 2
    candidate = path
    while candidate.exists():
        candidate = path.with_name(f"{path.name}-{number}")
        number += 1
    return candidate
