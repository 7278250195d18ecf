"""One trial: the trainings of one configuration, one for each seed, each as the main job runs it.

The process that this runs in waits for workers; it imports neither torch nor DeepSpeed.
"""

import json
import math
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Trainable

from weam_ray.corpus.parts import DEV, Part
from weam_ray.pipeline import Data, StagePlan, provenance, run_stages
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Space
from weam_ray.search.task_metric import TaskMetric
from weam_ray.settings.config import Config, make_config
from weam_ray.store.files import fingerprint, write_whole
from weam_ray.store.home import Home
from weam_ray.store.training_folder import CONFIG, TrainingFolder
from weam_ray.train import phases
from weam_ray.train.job import Milestones, TrainingJob
from weam_ray.train.launch import launch
from weam_ray.train.log import read_steps

VALUE, STEPS = "held_out", "steps"  # of what a trial reports
FAILURE = "failure.txt"
POLL_SECONDS = 0.25
END_SECONDS = 300.0  # a stopped worker ends after the step that it is in


@dataclass(frozen=True)
class Trials:
    """What all trials of a search share."""

    config: Config
    space: Space
    home: Home
    folder: Path
    rungs: Rungs
    part: Part | None = DEV

    def place(self, number: int) -> Path:
        """The folder of a trial."""
        return self.folder / "trials" / f"{number:04d}"

    def training(self, number: int, seed: int) -> TrainingFolder:
        """The folder of one of its trainings, from 0."""
        return TrainingFolder(self.place(number) / f"seed-{seed + 1}")

    def retrained(self, number: int, seed: int) -> TrainingFolder:
        """The folder of a further training with a trial's values, when the search is over."""
        return TrainingFolder(self.folder / "retrained" / f"{number:04d}" / f"seed-{seed + 1}")

    def configured(self, values: dict[str, Any], seed: int = 0) -> Config:
        """The configuration of a trial; its later trainings have seeds of their own."""
        config = self.space.configured(self.config, values)
        seeds = {name: own + seed * 1_000 for name, own in config.seeds.model_dump().items()}
        return make_config(config.tree(), [f"seeds={json.dumps(seeds)}"])

    def data(self, config: Config) -> Data:
        """The stages of a trial's configuration; Ray must be up."""
        return run_stages(config, self.home.store, StagePlan.of(config, self.home.source_hashes()))

    def train(self, number: int, values: dict[str, Any], stopped: threading.Event) -> None:
        """Run the trainings of a trial that have not come to their end; none begins after `stopped`."""
        config = self.configured(values)
        write_whole(self.place(number) / CONFIG, config.to_yaml())
        data = self.data(config)
        for seed in range(self.rungs.num_seeds):
            folder = self.training(number, seed)
            if finished(folder, self.rungs.max_steps):
                continue
            if stopped.is_set():
                return
            own = self.configured(values, seed)
            milestones = Milestones(self.rungs.of_training(seed), own.search.metric, TaskMetric.of(own), self.part)
            known = fingerprint([own.result_settings(), data.encoded.fingerprint, milestones.steps])
            folder.path.mkdir(parents=True, exist_ok=True)
            name = f"{self.folder.name}/{number}/{seed + 1}"
            job = TrainingJob(own.of_training(), data, folder, known, name, provenance(own, data), milestones)
            if not launch(job):
                return

    def abandon(self, number: int) -> None:
        """Ask the trainings of a trial that have begun, and have not come to their end, to stop."""
        for seed in range(self.rungs.num_seeds):
            folder = self.training(number, seed)
            if folder.path.is_dir() and not finished(folder, self.rungs.max_steps):
                folder.abandon()

    def at_rest(self, number: int) -> bool:
        """Whether each training of a trial that has begun has ended, by what it noted or has left."""
        folders = [self.training(number, seed) for seed in range(self.rungs.num_seeds)]
        return all(not phases.running(folder) or finished(folder, self.rungs.max_steps) for folder in folders)

    def phases(self, number: int) -> dict[str, float]:
        """Seconds of all trainings of a trial by phase."""
        found = dict.fromkeys(map(str, phases.Phase), 0.0)
        for seed in range(self.rungs.num_seeds):
            for name, seconds in phases.seconds_of(self.training(number, seed)).items():
                found[name] = round(found[name] + seconds, 3)
        return found

    def reports(self, number: int) -> Iterator[tuple[int, float]]:
        """Steps and values of a trial so far, from its files.

        A value is the mean over the trainings that have begun, of the last value of each; the end of a training counts
        when its model is written.
        """
        finals: list[float] = []
        for seed in range(self.rungs.num_seeds):
            folder = self.training(number, seed)
            for line in read_steps(folder.held_out):
                if line["step"] == self.rungs.max_steps and not finished(folder, self.rungs.max_steps):
                    return
                yield seed * self.rungs.max_steps + line["step"], mean([*finals, line["value"]])
            if not finished(folder, self.rungs.max_steps):
                return
            finals.append(line["value"])


def finished(folder: TrainingFolder, max_steps: int) -> bool:
    """Whether a training came to its end: its model is there, and was measured."""
    lines = read_steps(folder.held_out)
    return bool(lines) and lines[-1]["step"] == max_steps and folder.has_model


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


class TrialActor(Trainable):
    """A trial as Tune runs it: the trainings in a thread, whose reports each `step` waits for.

    Tune ends the process of a plain function at once, and what Ray Train has reserved for it stays reserved where no
    dashboard tells that it is gone; `cleanup` ends the training in good order.
    """

    def setup(self, config: dict[str, Any], trials: Trials) -> None:
        """`config` has the trial's `number` and `values`, and the `steps` that were reported in earlier sessions."""
        self.trials = trials
        self.become(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Go on as another trial, when the one before has ended: a new process would take seconds to start."""
        self.end(math.inf)
        self.become(new_config)
        return True

    def become(self, config: dict[str, Any]) -> None:
        """Prepare for a trial without starting its training.

        Tune may still give the trial to another actor until the first call of `step`.
        """
        self.number, self.reported = config["number"], config["steps"]
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.work, args=(config["values"],), name="trial", daemon=True)

    def begin(self) -> None:
        """Train, unless it has begun."""
        if self.thread.ident is None:
            self.thread.start()

    def work(self, values: dict[str, Any]) -> None:
        """Train; a failure leaves its message in the trial's folder."""
        place = self.trials.place(self.number)
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / FAILURE).unlink(missing_ok=True)  # of a session that was broken off
            self.trials.train(self.number, values, self.stopped)
        except Exception as error:
            self.error = error
            message = " ".join(str(error).split()) or type(error).__name__
            write_whole(place / FAILURE, message)

    def step(self) -> dict[str, Any]:
        """The next report."""
        whole = self.trials.rungs.whole
        self.begin()
        while True:
            alive = self.thread.is_alive()
            for steps, value in self.trials.reports(self.number):
                if steps > self.reported or (steps == whole and not alive):
                    self.reported = steps
                    return {STEPS: steps, VALUE: value, "done": steps == whole}
            if not alive:
                raise self.error or RuntimeError("the training was stopped before its end")
            self.stopped.wait(POLL_SECONDS)

    def cleanup(self) -> None:
        """End what still runs; workers are free when this returns."""
        self.end(END_SECONDS)

    def end(self, seconds: float) -> None:
        """Have the training end, and wait for it."""
        self.stopped.set()
        deadline = time.monotonic() + seconds
        while self.thread.is_alive() and time.monotonic() < deadline:
            self.trials.abandon(self.number)  # again, since a training that just begins forgets it
            self.thread.join(POLL_SECONDS)


def release(folder: Path, with_models: bool) -> None:
    """Delete what a trial does not need any more: its checkpoints, and its models too."""
    for training in map(TrainingFolder, folder.glob("seed-*")):
        shutil.rmtree(training.checkpoints.parent, ignore_errors=True)
        if with_models:
            shutil.rmtree(training.model, ignore_errors=True)
