"""A search in MLflow: a parent run, and a child for each trial. The driver alone writes.

What MLflow is told follows from the ledger and the files of the trials, so nothing is lost while it is away.
"""

import json
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from weam_ray.errors import UserError
from weam_ray.pipeline import Data
from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, RUNNING, Ledger, Trial
from weam_ray.search.space import Choice, Domain
from weam_ray.search.trial import VALUE, Trials
from weam_ray.search.verdict import NAMES, tested_of
from weam_ray.settings.base import Role
from weam_ray.settings.config import Config
from weam_ray.settings.search import metric_of
from weam_ray.tracking.client import GONE, NOTE, PARENT, Tracker
from weam_ray.tracking.run import data_inputs, data_tags, run_tags
from weam_ray.train.follow import StepReader
from weam_ray.train.log import read_steps

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
            **{
                f"search.{key}": value for key, value in config.search.counted(Role.SEARCH).items() if value is not None
            },
            "training.max_steps": config.training.max_steps,
        }
        tags = {"kind": "search", NOTE: self.about(), **self.run_tags(config, ledger.folder)}
        self.parent.open(ledger.folder.name, known, parameters, tags, self.inputs(config), self.opened)
        self.parent.set_tags({"num_trials": str(config.search.num_trials), "space": config.search.space})
        self.children: dict[int, Tracker] = {}
        self.readers: dict[tuple[int, int], StepReader] = {}
        self.reported: dict[int, int] = {}  # by trial, the steps of the last report that MLflow has
        self.settled: set[int] = set()
        self.interrupted = False

    def run_tags(self, config: Config, folder: Path) -> dict[str, str]:
        sources, corpus = config.corpus.sources, self.data.corpus.fingerprint
        return {
            **run_tags(config.objective, config.seeds),
            **data_tags(sources, config.align.aligner, corpus, self.ledger.fingerprint, folder),
        }

    def inputs(self, config: Config) -> list[dict[str, str]]:
        return data_inputs(config.corpus.sources, self.data.corpus, self.data.encoded)

    def opened(self, run_id: str, trial: Trial | None = None) -> None:
        """Write down the run of a trial, or of the search."""
        (trial or self.ledger).mlflow_run_id = run_id
        self.ledger.save()

    def tracker(self) -> Tracker:
        return Tracker.of(self.trials.config.tracking, self.trials.home.path)

    def about(self) -> str:
        """The description of the parent."""
        search = self.trials.config.search
        metric, keys = metric_of(search.metric), ", ".join(self.trials.space.domains)
        return (
            f"A search over {keys}; each child is a trial. `{VALUE}` is the {metric.label}; the {metric.mode}imum is "
            "sought."
        )

    def deliver(self) -> None:
        """Bring MLflow up to date with the trials of this session, and with those that have ended."""
        for trial in list(self.ledger.trials):
            if trial.number in self.settled or (trial.state == RUNNING and trial.number not in self.ledger.begun):
                continue
            try:
                self.bring(trial)
            except BaseException:
                self.forget(trial)  # what its run has is looked up there next time
                raise

    def bring(self, trial: Trial) -> None:
        """Bring the child of a trial up to date; it is closed if the trial has ended, or the search is interrupted."""
        state = trial.state  # before its steps are read: those of an ended trial are all there
        if state != RUNNING and trial.number not in self.children and self.is_told(trial):
            self.settled.add(trial.number)
            return
        if trial.number not in self.children:
            self.start(trial)
        child = self.children[trial.number]
        self.follow(trial)
        for steps, value in [report for report in trial.reports if report[0] > self.reported[trial.number]]:
            self.report(trial, steps, value)
        if state != RUNNING:
            child.set_tags({"state": state, **({"message": trial.message} if trial.message else {})})
            child.end(STATUS[state])
        elif self.interrupted:
            child.set_tags({"state": "interrupted"})
            child.end("KILLED")
        else:
            return
        self.settled.add(trial.number)
        self.forget(trial)

    def forget(self, trial: Trial) -> None:
        self.children.pop(trial.number, None)
        for seed in range(self.trials.rungs.num_seeds):
            self.readers.pop((trial.number, seed), None)

    def start(self, trial: Trial) -> None:
        """Open the child of a trial, that of an earlier session if there is one."""
        child, config = self.tracker(), self.trials.config
        parameters = config.parameters() | trial.values
        with suppress(UserError):  # of values that do not go together, which the trial fails by
            config = self.trials.configured(trial.values)
            parameters = config.parameters()
        tags = {
            "kind": "trial",
            "trial": str(trial.number),
            "state": trial.state,
            PARENT: self.parent.run_id,
            **self.run_tags(config, self.trials.place(trial.number)),
        }
        child.open(
            f"trial-{trial.number:04d}",
            trial.mlflow_run_id,
            parameters,
            tags,
            self.inputs(config),
            partial(self.opened, trial=trial),
            wait_seconds=0,
        )
        child.set_tags({"state": trial.state, PARENT: self.parent.run_id})
        history = child.client.get_metric_history(child.run_id, VALUE)
        self.reported[trial.number] = max((metric.step for metric in history), default=0)
        self.children[trial.number] = child

    def is_told(self, trial: Trial) -> bool:
        """Whether the child of a trial that has ended is there and says so: a session may have been killed, or the
        store away, when it was to be told.
        """
        if trial.mlflow_run_id is None:
            return False
        try:
            found = self.parent.client.get_run(trial.mlflow_run_id)
        except MlflowException as error:
            if error.error_code not in GONE:
                raise
            return False
        told = (
            found.info.status,
            found.info.lifecycle_stage,
            found.data.tags.get("state"),
            found.data.tags.get(PARENT),
        )
        return told == (STATUS[trial.state], "active", trial.state, self.parent.run_id)

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
        """Log a report and the figures that it is made of, in one request."""
        child = self.children[trial.number]
        seed = (steps - 1) // self.trials.rungs.max_steps
        own = steps - seed * self.trials.rungs.max_steps
        now = int(time.time() * 1000)
        metrics = [
            Metric(prefix_of(seed) + key, float(figure), now, own)
            for line in read_steps(self.trials.training(trial.number, seed).held_out)
            if line["step"] == own
            for key, figure in line["figures"].items()
        ]
        child.log_metrics([*metrics, Metric(VALUE, float(value), now, steps)])
        self.reported[trial.number] = steps

    def conclude(self, best: Trial, figures: dict[str, float], said: str, files: list[Path]) -> None:
        """Figures, tags and files on the parent, and in its description what is `said` of the best trial, which is
        tagged.
        """
        for trial in self.ledger.trials:
            if trial.mlflow_run_id:
                tagged = {BEST: "true"} if trial.number == best.number else {BEST: "false"}
                self.parent.client.set_tag(trial.mlflow_run_id, BEST, tagged[BEST])
        self.parent.log_figures(figures)
        about = f"{self.about()}\n\n{said}"
        self.parent.set_tags({NOTE: about, "best_trial": str(best.number), "best_values": json.dumps(best.values)})
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


def figures_of(ledger: Ledger, best: Trial, result: dict[str, Any]) -> dict[str, Any]:
    """What the parent run shows: the best value, what it is worth on other text and with other seeds, and the counts of
    trials by state.
    """
    tested: dict[str, float] = {}
    if (found := tested_of(result)) is not None:
        part = NAMES[found["part"]]
        tested[f"{part}/value"] = found["value"]
        tested |= dict(zip((f"{part}/low", f"{part}/high"), found["interval"] or (), strict=False))
        again = [own["value"] for own in result.get("retrained", [])]
        tested |= {f"{part}/retrained_mean": sum(again) / len(again)} if again else {}
    states = [trial.state for trial in ledger.trials]
    counts = {f"trials/{state}": states.count(state) for state in (COMPLETED, PRUNED, FAILED)}
    return {VALUE: best.value, **tested, **counts}
