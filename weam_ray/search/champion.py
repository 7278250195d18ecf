"""The best trial's model in MLflow's registry, under the alias `champion`."""

import io
import logging
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path

from weam_ray.overlap.record import FILE as SEEN
from weam_ray.store.provenance import FILE as PROVENANCE
from weam_ray.tracking.client import GONE, Tracker

ALIAS = "champion"
WEIGHTS = "model"  # where MLflow puts the weights in the folder of a model
REQUIREMENTS = ("torch", "transformers", "safetensors")


def register(tracker: Tracker, run_id: str, folder: Path, name: str, tags: dict[str, str]) -> str:
    """Log an exported model to a run that has ended, and register it; its address, `models:/NAME@champion`.

    A model that an earlier try has registered stays.

    `mlflow.transformers.load_model` loads it; the requirements are the versions that wrote it. The record of what it
    has seen, and of how it was trained, lies beside its weights.
    """
    if not is_champion(tracker, run_id, name, tags):
        said = io.StringIO()  # bars, and what the libraries say of each file; errors are raised
        with redirect_stdout(said), redirect_stderr(said):
            log_and_register(tracker, run_id, folder, name, tags)
    return f"models:/{name}@{ALIAS}"


def log_and_register(tracker: Tracker, run_id: str, folder: Path, name: str, tags: dict[str, str]) -> None:
    import mlflow
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    logging.getLogger("mlflow.transformers").setLevel(logging.ERROR)  # it looks for a licence on the hub
    mlflow.set_tracking_uri(tracker.uri)
    before = tracker.client.get_run(run_id).info
    parts = {"model": AutoModelForMaskedLM.from_pretrained(folder), "tokenizer": AutoTokenizer.from_pretrained(folder)}
    try:
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.transformers.log_model(
                parts,
                name="model",
                task="fill-mask",
                pip_requirements=[f"{package}=={version(package).split('+')[0]}" for package in REQUIREMENTS],
                registered_model_name=name,
                tags=tags,
            )
            for file in (folder / name for name in (SEEN, PROVENANCE)):
                if file.is_file():  # a model of an earlier version has none
                    tracker.client.log_model_artifact(logged.model_id, str(file), WEIGHTS)
    finally:
        tracker.client.set_terminated(run_id, before.status, before.end_time)
    tracker.client.set_registered_model_alias(name, ALIAS, logged.registered_model_version)


def describe(tracker: Tracker, name: str, said: str, tags: dict[str, str]) -> None:
    """Say of the champion what it is worth, as its description and in further tags."""
    version = tracker.client.get_model_version_by_alias(name, ALIAS).version
    tracker.client.update_model_version(name, version, said)
    for key, value in tags.items():
        tracker.client.set_model_version_tag(name, version, key, value)


def is_champion(tracker: Tracker, run_id: str, name: str, tags: dict[str, str]) -> bool:
    """Whether the champion is of a run already, with these tags."""
    from mlflow.exceptions import MlflowException

    try:
        found = tracker.client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code not in GONE:
            raise
        return False
    return found.run_id == run_id and tags.items() <= found.tags.items()
