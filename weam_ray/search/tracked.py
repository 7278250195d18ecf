"""A search in MLflow: a parent run, and a child for each trial. The driver alone writes."""

import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from weam_ray.errors import UserError
from weam_ray.pipeline import Data
from weam_ray.pretrain import data_inputs, run_tags, tracked_parameters
from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, RUNNING, Ledger, Trial
from weam_ray.search.settings import FREE, METRICS
from weam_ray.search.space import Choice, Domain
from weam_ray.search.trial import VALUE, Trials
from weam_ray.tracking import NOTE, PARENT, Tracker
from weam_ray.train.log import read_steps
from weam_ray.train.milestones import HELD_OUT
from weam_ray.train.monitor import StepReader

STATUS = {COMPLETED: "FINISHED", PRUNED: "KILLED", FAILED: "FAILED"}
BEST = "best"


class SearchTracker:
    """The parent run and its children; which there are stands in the ledger."""

    def __init__(self, trials: Trials, ledger: Ledger, data: Data) -> None:
        self.trials, self.ledger, self.data = trials, ledger, data
        config = trials.config
        self.parent = self.tracker()
        known = ledger.mlflow_run_id
        parameters = {
            **{f"space.{key}": told(domain) for key, domain in trials.space.domains.items()},
            **{f"search.{key}": value for key, value in config.search.model_dump(exclude_none=True).items()},
            "training.max_steps": config.training.max_steps,
        }
        for key in FREE:  # they may change, unlike a parameter of MLflow
            parameters.pop(f"search.{key}", None)
        tags = {"kind": "search", NOTE: self.about(), **run_tags(config, data, ledger.fingerprint, ledger.folder)}
        self.parent.open(ledger.folder.name, known, parameters, tags, data_inputs(config, data), self.opened)
        self.parent.set_tags({"num_trials": str(config.search.num_trials), "space": config.search.space})
        self.children: dict[int, Tracker] = {}
        self.readers: dict[tuple[int, int], StepReader] = {}

    def opened(self, run_id: str, trial: Trial | None = None) -> None:
        """Write down the run of a trial, or of the search."""
        (trial or self.ledger).mlflow_run_id = run_id
        self.ledger.save()

    def tracker(self) -> Tracker:
        tracking = self.trials.config.tracking
        return Tracker(tracking.uri, tracking.experiment, self.trials.home.path)

    def about(self) -> str:
        """The description of the parent."""
        search = self.trials.config.search
        metric, keys = METRICS[search.metric], ", ".join(self.trials.space.domains)
        return (
            f"A search over {keys}; each child is a trial. `{VALUE}` is the {metric.label}; the {metric.mode}imum is "
            "sought."
        )

    def start(self, trial: Trial) -> None:
        """Open the child of a trial, that of an earlier session if there is one."""
        child, config = self.tracker(), self.trials.config
        parameters = tracked_parameters(config) | trial.values
        with suppress(UserError):  # of values that do not go together, which the trial fails by
            config = self.trials.configured(trial.values)
            parameters = tracked_parameters(config)
        tags = {
            "kind": "trial",
            "trial": str(trial.number),
            "state": trial.state,
            PARENT: self.parent.run_id,
            **run_tags(config, self.data, self.ledger.fingerprint, self.trials.place(trial.number)),
        }
        child.open(
            f"trial-{trial.number:04d}",
            trial.mlflow_run_id,
            parameters,
            tags,
            data_inputs(config, self.data),
            partial(self.opened, trial=trial),
        )
        self.children[trial.number] = child
        child.set_tags({"state": trial.state, PARENT: self.parent.run_id})
        held = {metric.step for metric in child.client.get_metric_history(child.run_id, VALUE)}
        for steps, value in trial.reports:
            if steps not in held:
                self.report(trial, steps, value)

    def settle(self) -> None:
        """See that the child of each trial that has ended is there and says so: a session may have been killed, or the
        store away, when it was to be told.
        """
        for trial in self.ledger.ended():
            found = None
            with suppress(MlflowException):
                found = self.parent.client.get_run(trial.mlflow_run_id or "")
            right = (STATUS[trial.state], "active", trial.state, self.parent.run_id)
            if found is None or right != (
                found.info.status,
                found.info.lifecycle_stage,
                found.data.tags.get("state"),
                found.data.tags.get(PARENT),
            ):
                self.start(trial)
                self.end(trial)

    def follow(self, trial: Trial) -> None:
        """Pass on the steps that its trainings have done since the last look."""
        child = self.children[trial.number]
        for seed in range(self.trials.rungs.num_seeds):
            folder = self.trials.training(trial.number, seed)
            reader = self.readers.setdefault((trial.number, seed), StepReader(folder))
            steps = reader.read()
            if steps:
                child.log_steps(steps, prefix_of(seed))

    def report(self, trial: Trial, steps: int, value: float) -> None:
        """Log a report, and the figures that it is made of."""
        child = self.children[trial.number]
        seed = (steps - 1) // self.trials.rungs.max_steps
        own = steps - seed * self.trials.rungs.max_steps
        for line in read_steps(self.trials.training(trial.number, seed) / HELD_OUT):
            if line["step"] == own:
                child.log_results({prefix_of(seed) + key: figure for key, figure in line["figures"].items()}, own)
        child.log_results({VALUE: value}, steps)  # last, since by it a report is known to be there

    def end(self, trial: Trial) -> None:
        """Close the child of a trial by the trial's state."""
        self.follow(trial)
        child = self.children.pop(trial.number)
        child.set_tags({"state": trial.state, **({"message": trial.message} if trial.message else {})})
        child.end(STATUS[trial.state])
        for seed in range(self.trials.rungs.num_seeds):
            self.readers.pop((trial.number, seed), None)

    def interrupt(self) -> None:
        """Close the children of trials that a later session goes on with."""
        for number, child in self.children.items():
            if self.ledger.of(number).state == RUNNING:
                child.set_tags({"state": "interrupted"})
                child.end("KILLED")

    def conclude(self, best: Trial, figures: dict[str, float], files: list[Path]) -> None:
        """Figures, tags and files on the parent; the best trial is tagged."""
        for trial in self.ledger.trials:
            if trial.mlflow_run_id:
                tagged = {BEST: "true"} if trial.number == best.number else {BEST: "false"}
                self.parent.client.set_tag(trial.mlflow_run_id, BEST, tagged[BEST])
        self.parent.log_results(figures, 0)
        self.parent.set_tags({"best_trial": str(best.number), "best_values": json.dumps(best.values)})
        self.parent.log_files(*files)


def prefix_of(seed: int) -> str:
    """Of the metrics of a further training of the same trial."""
    return f"seed_{seed + 1}/" if seed else ""


def told(domain: Domain) -> str:
    """A domain in words."""
    if isinstance(domain, Choice):
        return " | ".join(json.dumps(value) for value in domain.values)
    kind = {"Uniform": "uniform", "LogUniform": "log-uniform", "Whole": "whole"}[type(domain).__name__]
    return f"{kind} {domain.low:g} to {domain.high:g}"


def figures_of(ledger: Ledger, best: Trial) -> dict[str, Any]:
    """What the parent run shows: the best value and the counts of trials by state."""
    states = [trial.state for trial in ledger.trials]
    return {VALUE: best.value, **{f"trials/{state}": states.count(state) for state in (COMPLETED, PRUNED, FAILED)}}
