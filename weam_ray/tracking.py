"""MLflow: one run of ours is one MLflow run, reopened when it is continued. Only the driver writes."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from weam_ray.errors import Stopped, UserError

STEP_METRICS = (
    "loss",
    "multilingual_loss",
    "cross_lingual_loss",
    "learning_rate",
    "gradient_norm",
    "tokens_seen",
)
METRICS_PER_REQUEST = 1_000
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

    def __init__(self, uri: str | None, experiment: str, home: Path) -> None:
        """Open the store and the experiment.

        Args:
            uri: of any MLflow store; None for `mlflow.db` in the home, with artefacts in `mlartifacts`.

        Raises:
            UserError: the store cannot be reached or used.
        """
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.uri = store_of(uri, home)
        artifacts = (home / "mlartifacts").as_uri() if self.uri.startswith("sqlite:") else None
        home.mkdir(parents=True, exist_ok=True)
        try:
            self.client = MlflowClient(tracking_uri=self.uri)
            found = self.client.get_experiment_by_name(experiment)
            self.experiment_id = (
                found.experiment_id
                if found
                else self.client.create_experiment(experiment, artifact_location=artifacts, tags=KIND)
            )
        except (MlflowException, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"tracking.uri={self.uri}: MLflow cannot use this store: {reason}") from None
        self.run_id = ""
        self.last_steps: dict[str, int] = {}

    def open(
        self,
        name: str,
        run_id: str | None,
        parameters: dict[str, Any],
        tags: dict[str, str],
        datasets: Sequence[dict[str, str]] = (),
        created: Callable[[str], None] = lambda run_id: None,
    ) -> str:
        """Start the MLflow run, or reopen that of an earlier session, which may lack parameters or inputs; its id.

        MLflow adds who started it, by which script, and the commit of the checkout if it is one.

        Args:
            datasets: inputs, as `log_datasets` takes them.
            created: writes down the id of a new run at once, so that none is left behind by a kill.
        """
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException
        from mlflow.tracking.context.registry import resolve_tags

        self.last_steps = {}
        if run_id is not None:
            try:
                self.client.update_run(run_id, status="RUNNING")
                run = self.client.get_run(run_id)
            except MlflowException as error:
                if error.error_code not in GONE:
                    raise UserError(f"tracking.uri: MLflow cannot reopen the run {run_id}: {error}") from None
                print(f"The MLflow run {run_id} is not in the store any more; a new one is started.")
                run_id = None
        if run_id is None:
            run = self.client.create_run(self.experiment_id, run_name=name, tags=resolve_tags(tags))
            created(run.info.run_id)
        self.run_id = run.info.run_id
        missing = {key: value for key, value in parameters.items() if key not in run.data.params}
        values = [Param(key, str(value)[:PARAMETER_LENGTH]) for key, value in missing.items()]
        for start in range(0, len(values), PARAMETERS_PER_REQUEST):
            self.client.log_batch(self.run_id, params=values[start : start + PARAMETERS_PER_REQUEST])
        if datasets and not run.inputs.dataset_inputs:
            self.log_datasets(datasets)
        return self.run_id

    def log_steps(self, steps: Iterable[dict[str, Any]], prefix: str = "") -> None:
        """Metrics by optimizer step; steps that the MLflow run holds already are skipped.

        `prefix` goes before the names, for a further training of the same run.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = []
        if prefix not in self.last_steps:
            history = self.client.get_metric_history(self.run_id, f"{prefix}loss")
            self.last_steps[prefix] = max((metric.step for metric in history), default=0)
        for entry in steps:
            if entry["step"] <= self.last_steps[prefix]:
                continue
            values = {key: entry[key] for key in STEP_METRICS if key in entry}
            values["tokens_per_second"] = entry["tokens"] / max(entry["seconds"], 1e-9)
            metrics += [Metric(prefix + key, float(value), now, entry["step"]) for key, value in values.items()]
            self.last_steps[prefix] = entry["step"]
        self.log_metrics(metrics)

    def log_results(self, values: dict[str, float], step: int) -> None:
        """Final figures."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.log_metrics([Metric(key, float(value), now, step) for key, value in values.items()])

    def log_metrics(self, metrics: Sequence[Any]) -> None:
        for start in range(0, len(metrics), METRICS_PER_REQUEST):
            self.client.log_batch(self.run_id, metrics=metrics[start : start + METRICS_PER_REQUEST])

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
    def ending(self) -> Iterator[None]:
        """Measure the machine while a block runs; end the run by how it ends: FINISHED, KILLED if stopped, FAILED."""
        try:
            with self.system_metrics():
                yield
        except (KeyboardInterrupt, Stopped):
            self.end("KILLED")
            raise
        except BaseException:
            self.end("FAILED")
            raise
        self.end("FINISHED")

    @contextmanager
    def system_metrics(self) -> Iterator[None]:
        """While a block runs, log what the driver's machine does as `system/...`; a run that is reopened goes on."""
        from mlflow.system_metrics import system_metrics_monitor

        logging.getLogger(system_metrics_monitor.__name__).setLevel(logging.WARNING)  # it reports start and end
        monitor = system_metrics_monitor.SystemMetricsMonitor(self.run_id, resume_logging=True, tracking_uri=self.uri)
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    def address(self) -> str:
        """Where a browser finds the run, while the UI runs."""
        root = self.uri.rstrip("/") if self.uri.startswith("http") else LOCAL_UI
        return f"{root}/#/experiments/{self.experiment_id}/runs/{self.run_id}{MODEL_TRAINING}"


def store_of(uri: str | None, home: Path) -> str:
    """The address of the store: the setting, or sqlite in the home."""
    return uri or f"sqlite:///{home / 'mlflow.db'}"


def where_to_compare(uri: str) -> str:
    """What to do to see the runs of a store: the one command, or the server's address."""
    if "://" in uri and not uri.startswith("http"):
        return f"Compare runs: mlflow ui --backend-store-uri {uri} --host 127.0.0.1"
    return f"Compare runs: {uri}"


def flat_parameters(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings of a configuration tree by dotted key, but for lists of mappings."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat_parameters(value, f"{prefix}{key}.")
        elif not (isinstance(value, list) and any(isinstance(entry, dict) for entry in value)):
            found[prefix + key] = value
    return found
