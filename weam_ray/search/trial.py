"""One trial: the trainings of one configuration, one for each seed, each as the main job runs it.

The process that this runs in waits for workers; it imports neither torch nor DeepSpeed.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.tune
from ray.tune.integration.ray_train import TuneReportCallback

from weam_ray.config import Config, fingerprint, make_config
from weam_ray.errors import UserError
from weam_ray.files import write_whole
from weam_ray.pipeline import StagePlan, run_stages
from weam_ray.runs import Home
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Space
from weam_ray.train.launch import TrainingJob, launch
from weam_ray.train.log import read_steps
from weam_ray.train.milestones import HELD_OUT, Milestones

VALUE, STEPS = "held_out", "steps"  # of what a trial reports
FAILURE, CONFIG = "failure.txt", "config.yaml"


@dataclass(frozen=True)
class Trials:
    """What all trials of a search share."""

    config: Config
    space: Space
    home: Home
    folder: Path
    rungs: Rungs

    def place(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / "trials" / f"{number:04d}"

    def training(self, number: int, seed: int) -> Path:
        """The folder of one of its trainings, from 0."""
        return self.place(number) / f"seed-{seed + 1}"

    def configured(self, values: dict[str, Any], seed: int = 0) -> Config:
        """The configuration of a trial; its later trainings have seeds of their own."""
        config = self.space.configured(self.config, values)
        seeds = {name: own + seed * 1_000 for name, own in config.seeds.model_dump().items()}
        return make_config(config.tree(), [f"seeds={json.dumps(seeds)}"])

    def run(self, given: dict[str, Any]) -> None:
        """Run a trial; `given` has its `number` and `values`. A failure leaves its message in the trial's folder."""
        number = given["number"]
        place = self.place(number)
        place.mkdir(parents=True, exist_ok=True)
        try:
            self.train(number, given["values"])
        except Exception as error:
            write_whole(place / FAILURE, " ".join(str(error).split()) or type(error).__name__)
            raise

    def train(self, number: int, values: dict[str, Any]) -> None:
        config = self.configured(values)
        write_whole(self.place(number) / CONFIG, config.to_yaml())
        plan = StagePlan.of(config, self.home.source_hashes())
        data = run_stages(config, self.home.store, plan)
        finals: list[float] = []
        for seed in range(self.rungs.num_seeds):
            folder = self.training(number, seed)
            own = self.configured(values, seed)
            milestones = Milestones(self.rungs.of_training(seed), own.search.metric)
            known = fingerprint([own.result_settings(), plan.specs["encode"].fingerprint, milestones.steps])
            begun = not finished(folder, self.rungs.max_steps)
            if begun:
                folder.mkdir(parents=True, exist_ok=True)
                before = seed * self.rungs.max_steps
                reports = Reports(before, tuple(finals), self.rungs.max_steps)
                job = TrainingJob(own, data, folder, known, f"{self.folder.name}/{number}/{seed + 1}", milestones)
                if not launch(job, [reports]):
                    raise UserError("the training was stopped before its end")
            finals.append(read_steps(folder / HELD_OUT)[-1]["value"])
            if begun or seed == self.rungs.num_seeds - 1:  # an earlier session has reported the others
                ray.tune.report({STEPS: (seed + 1) * self.rungs.max_steps, VALUE: mean(finals)})


def finished(folder: Path, max_steps: int) -> bool:
    """Whether a training came to its end: its model is there, and was measured."""
    lines = read_steps(folder / HELD_OUT)
    return bool(lines) and lines[-1]["step"] == max_steps and (folder / "model" / "config.json").is_file()


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


class Reports(TuneReportCallback):
    """Passes held-out values in the middle of a training on to Tune; the last one waits until the model is written.

    A report is the mean over the trainings that have begun, of the last value of each.
    """

    def __init__(self, before: int, finals: tuple[float, ...], max_steps: int) -> None:
        super().__init__()
        self.before, self.finals, self.max_steps = before, finals, max_steps

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        own = metrics[0]
        if "held_out" in own and own["step"] < self.max_steps:
            report = {STEPS: self.before + own["step"], VALUE: mean([*self.finals, own["held_out"]])}
            super().after_report(run_context, [report], None)


def release(folder: Path, with_models: bool) -> None:
    """Delete what a trial does not need any more: its checkpoints, and its models too."""
    for training in folder.glob("seed-*"):
        shutil.rmtree(training / "checkpoints", ignore_errors=True)
        if with_models:
            shutil.rmtree(training / "model", ignore_errors=True)
