"""MLflow: one run of ours is one MLflow run, reopened when it is continued. Only the driver writes."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from weam_ray.errors import Stopped, UserError
from weam_ray.settings.services import TrackingSection
from weam_ray.tracking.store import QUICK_SECONDS, Courier, connect, failures, insist, reason_of, say, store_of

STEP_METRICS = (
    "loss",
    "multilingual_loss",
    "cross_lingual_loss",
    "learning_rate",
    "gradient_norm",
    "tokens_seen",
)
METRICS_PER_REQUEST = 1_000
STEPS_PER_REQUEST = 100  # of fewer than ten metrics each; a step goes whole or not at all
PARAMETERS_PER_REQUEST = 100
PARAMETER_LENGTH = 6_000
DIGEST_LENGTH = 36
GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's words for a run that is not there, or deleted
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"  # the description of an experiment or a run
ABOUT_EXPERIMENT = (
    "Cross-lingual alignment pre-training. Trials of a search, and tasks of an evaluation, stand under their parent; "
    "the x axis is the optimizer step."
)
KIND = {"mlflow.experimentKind": "custom_model_development", NOTE: ABOUT_EXPERIMENT}
MODEL_TRAINING = "?workflowType=machine_learning"  # the UI's pages for runs; it opens those for prompts by itself
LOCAL_UI = "http://127.0.0.1:5000"


class Tracker:
    """The MLflow run of a run folder."""

    def __init__(self, uri: str | None, experiment: str, home: Path, wait_seconds: float = 120.0) -> None:
        """Open the store and the experiment, which is restored if it was deleted.

        Args:
            uri: of any MLflow store; None for `mlflow.db` in the home, with artefacts in `mlartifacts`.
            wait_seconds: how long to wait for a store that is locked or away.

        Raises:
            UserError: the store cannot be reached or used.
        """
        self.uri = store_of(uri, home)
        self.wait_seconds = wait_seconds
        self.artifacts = (home / "mlartifacts").as_uri() if self.uri.startswith("sqlite") else None
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.client = insist(lambda: connect(self.uri, wait_seconds), wait_seconds, self.uri)
            self.experiment_id = insist(lambda: self.find_experiment(experiment), wait_seconds, self.uri)
        except failures() as error:
            raise UserError(f"tracking.uri={self.uri}: MLflow cannot use this store: {reason_of(error)}") from None
        self.run_id = ""
        self.last_steps: dict[str, int] = {}  # of each prefix, the last step that is known to be there
        self.doubtful: set[str] = set()  # prefixes of which more may be there: a request failed
        self.machine: Any = None

    @classmethod
    def of(cls, settings: TrackingSection, home: Path) -> "Tracker":
        """A client of the store and the experiment of the settings.

        Raises:
            UserError: the store cannot be reached or used.
        """
        return cls(settings.uri, settings.experiment, home, settings.wait_seconds)

    def find_experiment(self, name: str) -> str:
        """The id of an experiment, which is created, or restored if it was deleted."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name, artifact_location=self.artifacts, tags=KIND)
            except MlflowException as error:
                found = self.client.get_experiment_by_name(name)
                if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
            say(f"The experiment {name!r} had been deleted in MLflow; it is restored.")
        return found.experiment_id

    def open(
        self,
        name: str,
        run_id: str | None,
        parameters: dict[str, Any],
        tags: dict[str, str],
        datasets: Sequence[dict[str, str]] = (),
        created: Callable[[str], None] = lambda run_id: None,
        wait_seconds: float | None = None,
    ) -> str:
        """Start the MLflow run, or reopen that of an earlier session, which may lack parameters or inputs; its id.

        MLflow adds who started it, by which script, and the commit of the checkout if it is one.

        Args:
            datasets: inputs, as `log_datasets` takes them.
            created: writes down the id of a new run at once, so that none is left behind by a kill.
            wait_seconds: other than those of the tracker.

        Raises:
            UserError: MLflow refuses, or cannot be reached in time.
        """
        self.run_id = run_id or ""
        self.last_steps, self.doubtful = {}, set()
        started, tries = int(time.time() * 1000), 0

        def complete() -> None:
            nonlocal tries
            tries += 1
            run = self.reopened() or self.create(name, tags, started, tries > 1, created)
            self.add(run, parameters, datasets)

        seconds = self.wait_seconds if wait_seconds is None else wait_seconds
        try:
            insist(complete, seconds, self.uri)
        except failures() as error:
            raise UserError(f"tracking.uri={self.uri}: MLflow cannot open the run {name}: {reason_of(error)}") from None
        return self.run_id

    def reopened(self) -> Any:
        """The run of `run_id`, running again; None if there is none, or it was deleted."""
        from mlflow.exceptions import MlflowException

        if not self.run_id:
            return None
        try:
            self.client.update_run(self.run_id, status="RUNNING")
            return self.client.get_run(self.run_id)
        except MlflowException as error:
            if error.error_code not in GONE:
                raise
        say(f"The MLflow run {self.run_id} is not in the store any more; a new one is started.")
        self.run_id = ""
        return None

    def create(self, name: str, tags: dict[str, str], started: int, again: bool, created: Callable[[str], None]) -> Any:
        """A new run, unless an earlier try has made it and only the answer was lost: `again`, or the child is there."""
        from mlflow.tracking.context.registry import resolve_tags

        run = None
        if again or PARENT in tags:
            wanted = f"tags.`{PARENT}` = '{tags[PARENT]}'" if PARENT in tags else f"attributes.start_time = {started}"
            found = self.client.search_runs([self.experiment_id], wanted)
            run = next((own for own in found if own.info.run_name == name), None)
        if run is None:
            tags = resolve_tags(tags)
            run = self.client.create_run(self.experiment_id, start_time=started, run_name=name, tags=tags)
        self.run_id = run.info.run_id
        created(self.run_id)
        return run

    def add(self, run: Any, parameters: dict[str, Any], datasets: Sequence[dict[str, str]]) -> None:
        """Log the parameters that a run has not, and the inputs if it has none."""
        from mlflow.entities import Param

        missing = [key for key in parameters if key not in run.data.params]
        values = [Param(key, str(parameters[key])[:PARAMETER_LENGTH]) for key in missing]
        for part in parts(values, PARAMETERS_PER_REQUEST):
            self.client.log_batch(self.run_id, params=part)
        if datasets and not run.inputs.dataset_inputs:
            self.log_datasets(datasets)

    def log_steps(self, steps: Iterable[dict[str, Any]], prefix: str = "") -> None:
        """Metrics by optimizer step; steps that the MLflow run holds already are skipped.

        It may be called again with the same steps after a failure. `prefix` goes before the names, for a further
        training of the same run.
        """
        from mlflow.entities import Metric

        if prefix in self.doubtful or prefix not in self.last_steps:
            history = self.client.get_metric_history(self.run_id, f"{prefix}loss")
            self.last_steps[prefix] = max((metric.step for metric in history), default=0)
        self.doubtful.add(prefix)
        now = int(time.time() * 1000)
        new = [entry for entry in steps if entry["step"] > self.last_steps[prefix]]
        for part in parts(new, STEPS_PER_REQUEST):
            metrics = []
            for entry in part:
                values = {key: entry[key] for key in STEP_METRICS if key in entry}
                values["tokens_per_second"] = entry["tokens"] / max(entry["seconds"], 1e-9)
                # the time stays the same when a request is repeated: MLflow then knows a metric that it has
                at = entry.setdefault("logged_at", now)
                metrics += [Metric(prefix + key, float(value), at, entry["step"]) for key, value in values.items()]
            self.log_metrics(metrics)
            self.last_steps[prefix] = part[-1]["step"]
        self.doubtful.discard(prefix)

    def log_figures(self, values: dict[str, float], step: int) -> None:
        """Figures that a run has once; those that it holds already are skipped."""
        held = self.client.get_run(self.run_id).data.metrics
        self.log_results({key: value for key, value in values.items() if held.get(key) != value}, step)

    def log_results(self, values: dict[str, float], step: int) -> None:
        """Figures of a step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.log_metrics([Metric(key, float(value), now, step) for key, value in values.items()])

    def log_metrics(self, metrics: Sequence[Any]) -> None:
        for part in parts(metrics, METRICS_PER_REQUEST):
            self.client.log_batch(self.run_id, metrics=part)

    def log_datasets(self, datasets: Iterable[dict[str, str]]) -> None:
        """Corpora as inputs: `name`, `digest`, `source` and `profile` of each."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=entry["name"],
                    digest=entry["digest"][:DIGEST_LENGTH],
                    source_type="local",
                    source=entry["source"],
                    profile=entry["profile"],
                ),
                [InputTag("mlflow.data.context", "training")],
            )
            for entry in datasets
        ]
        self.client.log_inputs(self.run_id, inputs)

    def log_files(self, *files: Path) -> None:
        for file in files:
            self.client.log_artifact(self.run_id, str(file))

    def set_tags(self, tags: dict[str, str]) -> None:
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)

    def delete(self, run_id: str) -> None:
        """Delete a run that was left half, if the store has it."""
        from mlflow.exceptions import MlflowException

        with suppress(MlflowException):
            self.client.delete_run(run_id)

    def end(self, status: str) -> None:
        """FINISHED, FAILED, or KILLED for a run that was interrupted and can be continued."""
        if self.run_id:
            self.client.set_terminated(self.run_id, status)

    @contextmanager
    def ending(self, deliver: Callable[[], None] = lambda: None) -> Iterator[Courier]:
        """While a block runs, measure the machine, and have `deliver` called for what is new; then end the run.

        It ends by how the block does: FINISHED, KILLED if stopped, FAILED. MLflow may be locked or away: afterwards
        the courier says whether it has all.
        """
        courier = Courier(deliver, self.measure_machine)
        status, seconds = "FAILED", QUICK_SECONDS
        self.measure_machine()
        courier.start()
        try:
            yield courier
            status, seconds = "FINISHED", self.wait_seconds
        except (KeyboardInterrupt, Stopped):
            status = "KILLED"
            raise
        finally:
            complete = courier.finish(seconds, lambda: self.end(status))
            self.machine.finish()
            if not complete and status != "FINISHED":
                say(f"MLflow does not know how this run ended ({courier.reason}); the same command goes on with it.")

    def measure_machine(self) -> None:
        """Log what the driver's machine does as `system/...`, from now on; a run that is reopened goes on."""
        from mlflow.system_metrics import system_metrics_monitor

        logging.getLogger(system_metrics_monitor.__name__).setLevel(logging.CRITICAL)  # it reports start and end
        if self.machine is not None:
            self.machine.finish()  # it has ended already if MLflow was away
        monitor = system_metrics_monitor.SystemMetricsMonitor(self.run_id, resume_logging=True, tracking_uri=self.uri)
        monitor.start()
        self.machine = monitor

    def address(self) -> str:
        """Where a browser finds the run, while the UI runs."""
        root = self.uri.rstrip("/") if self.uri.startswith("http") else LOCAL_UI
        return f"{root}/#/experiments/{self.experiment_id}/runs/{self.run_id}{MODEL_TRAINING}"


def parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """The values, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
