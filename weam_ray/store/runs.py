"""Run folders: where a run is, and whether it is new, unfinished or finished."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.settings.base import Role
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.keys import keys_with
from weam_ray.settings.parsing import flat_parameters
from weam_ray.store.files import check_folder, write_whole
from weam_ray.store.home import Home
from weam_ray.store.training_folder import CONFIG, TrainingFolder

RUNNING, FINISHED = "running", "finished"


@dataclass
class RunState:
    """What a run folder says of itself, in `state.json`."""

    status: str
    fingerprint: str
    mlflow_run_id: str | None = None
    sessions: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    mlflow_lacks: bool = False  # whether a finished run could not tell MLflow all


class RunFolder(TrainingFolder):
    """The folder of one run, with the state that the run is in."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        super().__init__(path)
        self.fingerprint = fingerprint
        self.state = RunState(RUNNING, fingerprint)

    @classmethod
    def of(cls, config: Config, home: Home, run: str, fresh: bool) -> "RunFolder":
        """The run folder of a configuration, with the state that it is in.

        Raises:
            UserError: the folder holds another run, or something else.
        """
        path = output_folder(config, home, run_name(config, run), fresh)
        folder = cls(path, run)
        if folder.read_state():
            if folder.state.fingerprint != run:
                keys = folder.differences(config)
                told = ", ".join(f"{key}: {there} there, {here} here" for key, (there, here) in keys.items())
                advice = "Choose another folder, or --fresh for a new numbered one."
                if keys and not set(keys) - {*keys_with(Config, Role.WORKERS)}:
                    advice = f"To go on from its last checkpoint: training.continue_from={path}, and another folder."
                raise UserError(
                    f"output.dir={path} holds a run of another configuration or other data "
                    f"({told or 'the data differ'}). {advice}"
                )
        else:
            check_free(path, "run")
        return folder

    def differences(self, config: Config) -> dict[str, tuple[Any, Any]]:
        """The keys of the configuration that differ from those of the run in this folder: what is there, and here."""
        there = flat_parameters(load_config(str(self.config_file)).result_settings())
        here = flat_parameters(config.result_settings())
        keys = dict.fromkeys([*here, *there])
        return {key: (there.get(key), here.get(key)) for key in keys if here.get(key) != there.get(key)}

    def read_state(self) -> bool:
        """Take over the state that the folder holds; whether it holds one."""
        if not self.state_file.is_file():
            return False
        self.state = RunState(**json.loads(self.state_file.read_text(encoding="utf-8")))
        return True

    @property
    def finished(self) -> bool:
        return self.state.status == FINISHED

    def save(self) -> None:
        """Write the state."""
        write_whole(self.state_file, json.dumps(vars(self.state), indent=1))

    def write_result(self, result: dict[str, Any]) -> None:
        """Write the result of the run."""
        write_whole(self.result_file, json.dumps(result, indent=1))

    def result(self) -> dict[str, Any]:
        """The result of a finished run."""
        return json.loads(self.result_file.read_text(encoding="utf-8"))


def run_name(config: Config, run: str) -> str:
    """The name of the run folder of a configuration, where no other is given; `run` is the fingerprint."""
    return f"{config.name}-{run[:8]}"


def output_folder(config: Config, home: Home, name: str, fresh: bool) -> Path:
    """Where a job's results go: `output.dir`, else a folder of the home's; `fresh`: the next that is not in use.

    Raises:
        UserError: it cannot be a folder.
    """
    given = config.output.dir
    path = Path(given) if given else home.path / "runs" / name
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
