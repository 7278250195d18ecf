"""An evaluation in MLflow: a parent run, and a child for each run; nothing is logged twice when it is gone on with."""

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

from weam_ray.evaluate.results import Result
from weam_ray.settings.base import TRACKED
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.settings.parsing import flat_parameters
from weam_ray.store.files import write_whole
from weam_ray.tracking.client import NOTE, PARENT, Tracker


class EvaluationTracker:
    """The parent run and its children; which there are stands in the evaluation's `state.json`."""

    def __init__(self, settings: EvaluationSettings, home: Path, state: Path) -> None:
        self.state = state
        known = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
        self.runs: dict[str, str] = known.get("runs", {})
        self.logged: dict[str, str] = known.get("logged", {})
        self.tags = {
            "kind": "evaluation",
            "system": settings.system,
            "setting": settings.setting,
            "tasks": ", ".join(settings.tasks),
        }
        self.waiting: list[tuple[str, dict[str, Any]]] = []
        self.results: tuple[Result, list[Path]] | None = None
        tracking = settings.tracking
        self.parent = Tracker.of(tracking, home)
        tracked = {key: value for key, value in settings.only(*TRACKED).items() if value is not None}
        parameters = flat_parameters(tracked)
        name = f"evaluate {settings.system}, {settings.setting}"
        about = f"An evaluation of {settings.system}; each child is a task with one seed. Scores are in percent."
        tags = {**self.tags, NOTE: about}
        self.parent.open(name, self.runs.get("parent"), parameters, tags, created=partial(self.opened, "parent"))
        self.child = Tracker.of(tracking, home)

    def opened(self, name: str, run_id: str) -> None:
        """Write down the run of the parent, or of a child."""
        self.runs[name] = run_id
        self.save()

    def save(self) -> None:
        write_whole(self.state, json.dumps({"runs": self.runs, "logged": self.logged}, indent=1))

    def add_run(self, name: str, record: dict[str, Any]) -> None:
        """Take a finished run, for `deliver`."""
        self.waiting.append((name, record))

    def add_results(self, result: Result, files: list[Path]) -> None:
        """Take means and spreads, and the files of the evaluation, for `deliver`."""
        self.results = result, files

    def deliver(self) -> None:
        """Tell MLflow what it has not been told; after a failure, the same again."""
        while self.waiting:
            self.log_run(*self.waiting[0])
            del self.waiting[0]
        if self.results is not None:
            self.log_results(*self.results)
            self.results = None

    def log_run(self, name: str, record: dict[str, Any]) -> None:
        """The child of a finished run, unless it is there; one that was left half is made again."""
        if self.logged.get(name) == record["fingerprint"]:
            return
        if name in self.runs:
            self.child.delete(self.runs[name])
        parameters: dict[str, Any] = {key: record[key] for key in ("task", "seed", "model")}
        tags = {**self.tags, PARENT: self.runs["parent"], "task": record["task"]}
        self.child.open(name, None, parameters, tags, created=partial(self.opened, name), wait_seconds=0)
        for step, entry in enumerate(record.get("history", ()), 1):
            values = {
                metric_name(record["task"], "development", key): value for key, value in entry.items() if key != "epoch"
            }
            self.child.log_results(values, step)
        scores = {
            metric_name(record["task"], code, metric): value
            for code, metrics in record["scores"].items()
            for metric, value in metrics.items()
        }
        for task, languages in record.get("layers", {}).items():
            for code, layers in languages.items():
                for layer, figures in enumerate(layers):
                    values = {metric_name(task, code, key): value for key, value in figures.items()}
                    finite = {name: value for name, value in values.items() if math.isfinite(value)}
                    self.child.log_results(finite, layer)
        self.child.log_figures({**scores, "seconds": record["seconds"]})
        self.child.end("FINISHED")
        self.logged[name] = record["fingerprint"]
        self.save()

    def log_results(self, result: Result, files: list[Path]) -> None:
        """Means and spreads on the parent, beside the majority class or chance, and its files."""
        values = {}
        for task, languages in result.items():
            for code, entry in languages.items():
                name = metric_name(task, code, entry["metric"])
                values[name] = entry["mean"]
                if entry["std"] is not None:
                    values[f"{name}_std"] = entry["std"]
                if entry.get("majority") is not None:
                    values[metric_name(task, code, "majority")] = entry["majority"]
        self.parent.log_figures(values)
        self.parent.log_files(*files)


def metric_name(*parts: str) -> str:
    """`task/language/metric`, in the characters that MLflow takes."""
    return "/".join(parts).replace("@", "_at_")
