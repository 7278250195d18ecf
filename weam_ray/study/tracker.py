"""A study in MLflow: a run of the study, a child for each system, and below it one for each cell."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.evaluate.tracker import metric_name
from weam_ray.settings.base import TRACKED
from weam_ray.settings.parsing import flat_parameters
from weam_ray.settings.study import StudySettings
from weam_ray.store.files import write_whole
from weam_ray.tracking.client import NOTE, PARENT, Tracker

STUDY = "study"


@dataclass
class StudyTracker:
    """What MLflow knows of a study; which runs there are stands in the study's `state.json`."""

    settings: StudySettings
    home: Path
    state: Path
    runs: dict[str, str] = field(default_factory=dict)
    logged: dict[str, str] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    pretrainings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Sequence[Path] = ()

    def __post_init__(self) -> None:
        known = json.loads(self.state.read_text(encoding="utf-8")) if self.state.is_file() else {}
        self.runs, self.logged = known.get("runs", {}), known.get("logged", {})
        tracking = self.settings.tracking
        self.parent, self.child = Tracker.of(tracking, self.home), Tracker.of(tracking, self.home)
        parameters = flat_parameters(self.settings.only(*TRACKED))
        tags = {"kind": STUDY, NOTE: self.settings.title or f"The study {self.settings.name}; below it its systems."}
        name = f"study {self.settings.name}"
        self.parent.open(name, self.runs.get(STUDY), parameters, tags, created=partial(self.opened, STUDY))

    def opened(self, name: str, run_id: str) -> None:
        """Write down the run of the study, of a system, or of a cell."""
        self.runs[name] = run_id
        self.save()

    def save(self) -> None:
        told = {STUDY: self.settings.name, "runs": self.runs, "logged": self.logged}
        write_whole(self.state, json.dumps(told, indent=1))

    def conclude(
        self, rows: Sequence[Mapping[str, Any]], pretrainings: Mapping[str, Sequence[str]], files: Sequence[Path]
    ) -> None:
        """Take the table, the MLflow runs of each system's pre-trainings, and the files of the study, for `deliver`."""
        self.rows, self.pretrainings, self.files = rows, pretrainings, files

    def deliver(self) -> None:
        """Tell MLflow what it has not been told; after a failure, the same again."""
        if not self.files:
            return
        for system in dict.fromkeys(row["system"] for row in self.rows):
            self.log_system(system, [row for row in self.rows if row["system"] == system])
        self.parent.log_files(*self.files)
        self.files = ()

    def log_system(self, system: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """The child of a system with its means, and the children of its cells."""
        name = f"system {system}"
        tags = {"kind": "system", "system": system, PARENT: self.runs[STUDY]}
        tags["pretraining_runs"] = ", ".join(self.pretrainings.get(system, ()))
        self.child.open(name, self.runs.get(name), {}, tags, created=partial(self.opened, name), wait_seconds=0)
        chosen = [row for row in rows if row["chosen"]]
        values: dict[str, list[float]] = {}
        for row in chosen:
            values.setdefault(metric_of(row), []).append(row["value"])
        self.child.log_figures({key: float(np.mean(own)) for key, own in values.items()})
        self.child.end("FINISHED")
        cells: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            cells.setdefault(row["folder"], []).append(row)
        for folder, own in cells.items():
            self.log_cell(name, folder, own)

    def log_cell(self, system: str, folder: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """The run of a cell below its system, unless it is there; one that was left half is made again."""
        fingerprint, first = Path(folder).name, rows[0]
        name = f"{system}, {fingerprint}"
        if self.logged.get(name) == fingerprint:
            return
        if name in self.runs:
            self.child.delete(self.runs[name])
        keys = ("task", "intermediate", "setting", "pretraining_seed", "finetuning_seed", "learning_rate", "weights")
        parameters = {key: first[key] for key in keys if first[key] is not None}
        tags = {"kind": "cell", "system": first["system"], "task": first["task"], PARENT: self.runs[system]}
        said = (
            f"{first['task']}, {first['intermediate']}, {first['setting']}, {fingerprint[:8]}"  # a child is known by it
        )
        self.child.open(said, None, parameters, tags, created=partial(self.opened, name), wait_seconds=0)
        floors = {metric_of(row, "majority"): row["majority"] for row in rows if row["majority"] is not None}
        self.child.log_figures({metric_of(row): row["value"] for row in rows} | floors | {"seconds": first["seconds"]})
        self.child.end("FINISHED")
        self.logged[name] = fingerprint
        self.save()


def metric_of(row: Mapping[str, Any], figure: str | None = None) -> str:
    """The name of a score in MLflow, or of another figure of its place."""
    where = [row[key] for key in ("setting", "intermediate") if row[key] not in ("zero-shot", "none")]
    return metric_name(*where, row["task"], row["language"], figure or row["metric"])
