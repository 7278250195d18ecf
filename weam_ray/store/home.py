"""The home: one place for all that jobs leave."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from weam_ray.settings.paths import absolute, in_ray_job
from weam_ray.store.files import SourceHashes, check_folder, looks_writable, make_folder
from weam_ray.store.folder import Folder
from weam_ray.store.stages import StageStore


class Placed(Protocol):
    """Settings that say where the home and the stages are, if not in their usual places."""

    @property
    def home(self) -> str | None: ...

    @property
    def stages(self) -> str | None: ...


@dataclass(frozen=True)
class Home:
    """One place for all that runs leave: `stages/`, `runs/`, `mlflow.db`, `mlartifacts/`."""

    path: Path
    stages: Folder
    hashes: SourceHashes

    @classmethod
    def of(cls, config: Placed, checkout: Path) -> "Home":
        """Find the home: the setting, else WEAM_RAY_HOME, else the checkout.

        A Ray job's checkout is a copy, so its home is `~/weam_ray`.

        Nothing is written.

        Raises:
            UserError: it cannot be a folder.
        """
        given = config.home or environment_home()
        if given is None and in_ray_job():
            given = "~/weam_ray"
            print("In a Ray job: the home is ~/weam_ray of the head node; set `home` or WEAM_RAY_HOME for another.")
        path = Path(absolute(str(given or checkout)))
        check_folder(path, "home")
        stages = Folder.at(config.stages or path / "stages")
        if stages.is_local:
            check_folder(Path(stages.path), "stages")
        return cls(path, stages, SourceHashes(path / "stages" / "sources.json"))

    def preview(self) -> None:
        """Print a note if the home cannot be written."""
        if not looks_writable(self.path):
            print(f"note: home={self.path} cannot be written; a run needs another")

    def begin(self) -> None:
        """Make the home before a job writes into it, and remember the hashes of the sources.

        Raises:
            UserError: it cannot be written.
        """
        make_folder(self.path, "home")
        if self.stages.is_local:
            make_folder(Path(self.stages.path), "stages")
        self.hashes.save()

    @property
    def store(self) -> StageStore:
        return StageStore(self.stages)

    def source_hashes(self) -> SourceHashes:
        return self.hashes


def environment_home() -> str | None:
    return os.environ.get("WEAM_RAY_HOME") or None
