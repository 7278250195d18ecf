"""A downstream task as what a search compares trials by: English development data, never test data.

The fine-tuning is a process of its own, so that neither its random numbers nor its devices touch the training.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.errors import UserError
from weam_ray.measure.samples import Figures, Sample
from weam_ray.settings.config import Config
from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.search import task_of_metric
from weam_ray.settings.training import TrainingSection

OF_TRAINING = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class TaskMetric:
    """Fine-tunes an encoder on a task, and scores it; called as the figures of `measure.held_out` are."""

    task: str
    data_root: str | None
    recipe: dict[str, Any]
    seed: int
    encoder: EncoderSection
    training: TrainingSection

    @classmethod
    def of(cls, config: Config) -> "TaskMetric | None":
        """The task of a search's metric; None where it is measured on held-out pairs."""
        task = task_of_metric(config.search.metric)
        if task is None:
            return None
        root = config.data_root or os.environ.get("WEAM_RAY_DATA_ROOT")
        return cls(task, root, config.search.recipe, config.search.seed, config.encoder, config.training)

    def check(self) -> None:
        """See that the task and its data are there.

        Raises:
            UserError: they are not.
        """
        from weam_ray.evaluate.development import planned_task

        planned_task(self.task, None if self.data_root is None else Path(self.data_root), self.recipe)

    def __call__(self, held_out: Any, model: Any, tokenizer: Any, settings: Any) -> Figures:
        """The share of the development data that is right, and the same by its name in MLflow.

        The encoder is fine-tuned as it would be exported: with the pooler and the dropout of its base.

        Raises:
            UserError: see `of_model`.
        """
        from weam_ray.train.export import export

        with tempfile.TemporaryDirectory(prefix="weam-ray-development-") as place:
            folder = str(Path(place) / "model")
            weights = {name: weight.detach().cpu() for name, weight in model.named_parameters()}
            export(weights, self.encoder, tokenizer, {}, Path(folder))
            return self.of_model(folder)

    def of_model(self, folder: str) -> Figures:
        """The same of an exported model, with the development examples as samples.

        Raises:
            UserError: the fine-tuning ended with a sentence.
        """
        command = [sys.executable, "-m", "weam_ray.evaluate.development", "--model", folder, "--task", self.task]
        command += ["--recipe", json.dumps(self.recipe), "--seed", str(self.seed)]
        command += ["--threads", str(self.training.threads_per_worker)]
        command += ["--data-root", self.data_root] if self.data_root else []
        command += ["--use-gpu"] if self.training.use_gpu else []
        environment = {key: value for key, value in os.environ.items() if key not in OF_TRAINING}
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if found.returncode:
            said = found.stderr.strip().splitlines() or [f"exit code {found.returncode}"]
            why = said[-1].removeprefix("error: ")
            raise UserError(f"search.metric=task:{self.task}: the fine-tuning failed: {why}")
        told = json.loads(found.stdout.strip().splitlines()[-1])
        numerator, denominator = (np.array(told[key], np.float64) for key in ("numerator", "denominator"))
        sample = Sample(numerator, denominator, np.arange(len(numerator)))
        name = f"development_after/{Path(self.task).stem}"
        return Figures.of({name: told["score"] / 100}, {name: [sample]})
