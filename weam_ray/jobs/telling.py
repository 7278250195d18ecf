"""What MLflow is told of a run, of an alignment and of a corpus while they go on, and at their end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weam_ray.measure.names import named
from weam_ray.store.training_folder import CONFIG, RESULT, TrainingFolder
from weam_ray.tracking.client import Tracker
from weam_ray.train.follow import Steps


@dataclass
class RunTelling:
    """What MLflow is told of a run: its steps as they come, and its result in the end."""

    tracker: Tracker
    folder: TrainingFolder
    steps: Steps = field(default_factory=list)
    result: dict[str, Any] | None = None
    has_config: bool = False

    def deliver(self) -> None:
        """Send what MLflow has not; after a failure, the same again."""
        steps = list(self.steps)
        if steps:
            self.tracker.log_steps(steps)
            del self.steps[: len(steps)]
        if not self.has_config:
            self.tracker.log_files(self.folder.config_file)
            self.has_config = True
        if self.result is None:
            return
        values: dict[str, float] = {}
        for when in ("before", "after"):
            values |= named({part: self.result[part][when] for part in ("retrieval", "loss", "sentences")}, when)
        self.tracker.log_figures(values)
        self.tracker.set_tags({"model": self.result["model"]})
        self.tracker.log_files(self.folder.result_file, self.folder.picture)


@dataclass
class ResultTelling:
    """What MLflow is told of an alignment or a corpus, when it is done.

    Args:
        figures_of: what MLflow has of a result.
        files: patterns of the files in the folder that MLflow keeps beside the settings and the result.
    """

    tracker: Tracker
    folder: Path
    figures_of: Callable[[dict[str, Any]], dict[str, float]]
    files: Sequence[str]
    result: dict[str, Any] | None = None

    def deliver(self) -> None:
        """Send the result, if there is one; after a failure, what is missing of it."""
        if self.result is None:
            return
        self.tracker.log_figures(self.figures_of(self.result))
        found = (file for pattern in self.files for file in sorted(self.folder.glob(pattern)))
        self.tracker.log_files(self.folder / CONFIG, self.folder / RESULT, *found)
