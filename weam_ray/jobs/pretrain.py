"""The main job: stages, training, measurement, result; continued where it was left."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from weam_ray.cluster.capacity import check_capacity, check_shared
from weam_ray.cluster.join import ray_cluster
from weam_ray.cluster.ray_private import prepare_training
from weam_ray.encode.unknown import UnknownCounts
from weam_ray.errors import Stopped
from weam_ray.jobs.cost import batch_lines
from weam_ray.measure.before_after import measure
from weam_ray.measure.names import named
from weam_ray.model.encoder import check_tokenizer
from weam_ray.pipeline import Data, StagePlan, run_fingerprint, run_stages
from weam_ray.report.run_picture import run_plot
from weam_ray.report.run_tables import print_result
from weam_ray.settings.config import Config
from weam_ray.store.home import Home
from weam_ray.store.runs import CONFIG, FINISHED, RunFolder
from weam_ray.tracking.client import NOTE, Tracker
from weam_ray.tracking.run import about, data_inputs, run_tags, tracked_parameters
from weam_ray.tracking.store import store_of, where_to_compare
from weam_ray.train.continuation import Continuation
from weam_ray.train.follow import StepReader, Steps, merged, monitored
from weam_ray.train.job import TrainingJob, resources
from weam_ray.train.launch import launch
from weam_ray.train.log import LOSSES, read_steps
from weam_ray.train.model import Examination

RESULT, PICTURE = "result.json", "result.png"
LACKS, WHY = "mlflow_lacks_steps", "mlflow_failure"  # of a result that could not be told to MLflow, or not all of it


@dataclass(frozen=True)
class Pretraining:
    """A resolved run: its configuration, home, stages to come, and folder."""

    config: Config
    home: Home
    plan: StagePlan
    folder: RunFolder

    @classmethod
    def of(cls, config: Config, checkout: Path, fresh: bool = False) -> "Pretraining":
        """Resolve a configuration; nothing is written.

        Raises:
            UserError: a source, the encoder or the run folder is not what it must be.
        """
        home = Home.of(config, checkout)
        hashes = home.source_hashes()
        plan = StagePlan.of(config, hashes)
        check_tokenizer(config.encoder)
        folder = RunFolder.of(config, home, run_fingerprint(config, plan, hashes), fresh)
        if not folder.finished:
            Continuation.of(config, folder.path)
        return cls(config, home, plan, folder)

    def run(self) -> dict[str, Any]:
        """Run to the end, or print the result of a finished run; its result."""
        folder = self.folder
        if folder.finished:
            print(f"This run is finished; --fresh runs it again. Its result, from {folder.path}:")
            result = folder.result()
            print_result(result)
            if folder.state.mlflow_lacks:
                self.send_again(result)
            self.say_where(result)
            return result
        self.home.begin()
        with folder.locked(), ray_cluster(self.config.cluster.address, self.config.cluster.num_cpus):
            check_capacity(self.config.training.num_workers, resources(self.config))
            check_shared(self.home.path)
            prepare_training()
            encoder = Examination(self.config)
            with self.phase("stages"):
                if not self.plan.is_built(self.home.store):
                    encoder.notes()  # a mistake shows before hours of stages, and else beside the start of the workers
                data = run_stages(self.config, self.home.store, self.plan)
            result = self.train_and_measure(data, encoder)
        print_result(result)
        self.say_where(result)
        return result

    def train_and_measure(self, data: Data, encoder: Examination) -> dict[str, Any]:
        config, folder = self.config, self.folder
        unknown = UnknownCounts.of(data.encoded, data.load_tokenizer)
        print("\n".join(unknown.lines()))
        print("\n".join(batch_lines(config, sum(file.rows for file in data.encoded.files("train")))))
        folder.state.sessions += 1
        folder.write(CONFIG, config.to_yaml())
        with self.phase("tracking"):
            telling = self.open_run(data_inputs(config, data))
        folder.save()
        origin = Continuation.of(config, folder.path)
        if origin is not None:
            origin.take_over(folder.path)
        with telling.tracker.ending(telling.deliver) as courier:
            with self.phase("training"):
                bar = tqdm(total=config.training.max_steps, desc="training", mininterval=5.0)
                with monitored(folder.path, telling.steps.extend, bar):
                    ended = launch(TrainingJob(config, data, folder.path, folder.fingerprint, folder.path.name))
            if not ended:
                raise Stopped(
                    f"Stopped after step {len(read_steps(folder.path / LOSSES))}; its checkpoint is in {folder.path}, "
                    "and the same command goes on from there."
                )
            with self.phase("measurement"):
                scores = measure(config, data, folder.path / "model")
            scores |= {"notes": [*encoder.notes(), *unknown.warnings()], "unknown_tokens": unknown.shares()}
            telling.result = result = self.conclude(scores, telling.tracker.address())
        folder.state.status = FINISHED
        self.note_what_mlflow_lacks(telling, courier.reason)
        return result

    def open_run(self, inputs: list[dict[str, str]]) -> "Telling":
        """Start the run's MLflow run, or reopen it."""
        config, folder = self.config, self.folder
        corpus = self.plan.corpus.fingerprint
        tags = {"kind": "pretraining", NOTE: about(config), **run_tags(config, corpus, folder.fingerprint, folder.path)}

        def created(run_id: str) -> None:
            folder.state.mlflow_run_id = run_id
            folder.save()

        tracker = Tracker(config.tracking.uri, config.tracking.experiment, self.home.path, config.tracking.wait_seconds)
        parameters, known = tracked_parameters(config), folder.state.mlflow_run_id
        tracker.open(folder.path.name, known, parameters, tags, inputs, created)
        return Telling(tracker, folder.path)

    def send_again(self, result: dict[str, Any]) -> None:
        """Send what MLflow lacks of a finished run, as its folder has it."""
        with self.folder.locked():
            telling = self.open_run([])
            telling.steps = StepReader(self.folder.path).read()
            del result[LACKS], result[WHY]
            self.folder.write(RESULT, json.dumps(result, indent=1))
            with telling.tracker.ending(telling.deliver) as courier:
                telling.result = result
            self.note_what_mlflow_lacks(telling, courier.reason)

    def note_what_mlflow_lacks(self, telling: "Telling", reason: str) -> None:
        """Write into state and result whether MLflow was told all of a finished run; `reason` is empty if it was."""
        folder, result = self.folder, telling.result
        assert result is not None
        folder.state.mlflow_lacks = bool(reason)
        if reason:
            result[LACKS], result[WHY] = result["steps"] - telling.tracker.last_steps.get("", 0), reason
            folder.write(RESULT, json.dumps(result, indent=1))
        folder.save()

    def conclude(self, scores: dict[str, Any], address: str) -> dict[str, Any]:
        """The result of the run, written to its folder with its picture."""
        config, folder = self.config, self.folder
        steps = merged(folder.path)
        seconds = sum(entry["seconds"] for entry in steps)
        result = {
            "name": config.name,
            "fingerprint": folder.fingerprint,
            "steps": len(steps),
            **{part: {when: scores[when][part] for when in ("before", "after")} for part in scores["after"]},
            "unknown_tokens": scores["unknown_tokens"],
            "notes": scores["notes"],
            "tokens_per_second": sum(entry["tokens"] for entry in steps) / seconds,
            "padding_share": sum(entry["padding_share"] for entry in steps) / len(steps),
            "data_wait_share": sum(entry["waited"] for entry in steps) / seconds,
            "lost_tokens": sum(entry["lost_tokens"] for entry in steps),
            "lost_links": sum(entry["lost_links"] for entry in steps),
            "seconds": round(sum(folder.state.seconds.values()), 1),
            "seconds_by_phase": folder.state.seconds,
            "training_step_seconds": round(seconds, 1),
            "model": str(folder.path / "model"),
            "mlflow_run_id": folder.state.mlflow_run_id,
            "address": address,
        }
        folder.write(RESULT, json.dumps(result, indent=1))
        run_plot(steps, result, folder.path.name, folder.path / PICTURE)
        return result

    def say_where(self, result: dict[str, Any]) -> None:
        print(f"Results: {self.folder.path} (config.yaml, losses.jsonl, result.json, result.png, model/)")
        print(where_to_compare(store_of(self.config.tracking.uri, self.home.path)))
        if "address" in result:  # earlier versions left none
            print(f"The run in MLflow: {result['address']}")
        if LACKS in result:
            print(
                f"warning: MLflow lacks {result[LACKS]:,} of {result['steps']:,} steps of this run, and its results: "
                f"{result[WHY]}. The run itself is whole. The same command sends them."
            )

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a phase to the run's state, over all its sessions."""
        started = time.monotonic()
        try:
            yield
        finally:
            seconds = self.folder.state.seconds
            seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - started, 1)


@dataclass
class Telling:
    """What MLflow is told of a run: its steps as they come, and its result in the end."""

    tracker: Tracker
    folder: Path
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
            self.tracker.log_files(self.folder / CONFIG)
            self.has_config = True
        if self.result is None:
            return
        values: dict[str, float] = {}
        for when in ("before", "after"):
            values |= named({part: self.result[part][when] for part in ("retrieval", "loss", "sentences")}, when)
        self.tracker.log_figures(values, self.result["steps"])
        self.tracker.set_tags({"model": self.result["model"]})
        self.tracker.log_files(self.folder / RESULT, self.folder / PICTURE)
