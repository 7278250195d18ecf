"""The search job: stages that trials share, trials under Tune, and what comes out of them."""

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from weam_ray.cli import spoken
from weam_ray.cluster.capacity import check_capacity, check_shared, workers_that_fit
from weam_ray.cluster.ray_private import prepare_training
from weam_ray.corpus.parts import DEV
from weam_ray.encode.unknown import UnknownCounts
from weam_ray.errors import UserError
from weam_ray.jobs.frame import Clock, Frame, Kind, check_holder, interrupted_by_sigterm
from weam_ray.model.encoder import check_tokenizer
from weam_ray.pipeline import Data, StagePlan, run_fingerprint, run_stages
from weam_ray.search.ledger import FAILED, Ledger, Trial
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Space, load_space, space_file
from weam_ray.search.task_metric import TaskMetric
from weam_ray.search.verdict import AGAIN, tags_of, tested_of, verdict
from weam_ray.settings.base import Role
from weam_ray.settings.config import Config, make_config
from weam_ray.settings.search import metric_of
from weam_ray.store.files import fingerprint, write_whole
from weam_ray.store.home import Home
from weam_ray.store.runs import check_free, output_folder
from weam_ray.tracking.store import failures, insist, reason_of, store_of
from weam_ray.train.job import resources
from weam_ray.train.model import Examination

BEST_CONFIG, RESULT = "best.yaml", "result.json"
Told = TypeVar("Told")


@dataclass(frozen=True)
class SearchJob:
    """A resolved search."""

    config: Config
    space: Space
    home: Home
    plan: StagePlan
    ledger: Ledger

    @classmethod
    def of(cls, config: Config, checkout: Path, fresh: bool = False) -> "SearchJob":
        """Resolve it; nothing is run, and nothing written.

        Raises:
            UserError: a space, a source, the encoder or the folder is not what it must be.
        """
        file = space_file(config.search.space, checkout)
        space = load_space(file)
        space.check(config, str(file))
        task = TaskMetric.of(config)
        if task is not None:
            task.check()
        elif config.corpus.held_out < 2 or not any(source.is_paired for source in config.corpus.sources):
            raise UserError(
                "A search compares trials on half of the held-out pairs, and there are not two; it takes a source of "
                "pairs and corpus.held_out of 2 or more."
            )
        if config.training.continue_from is not None:
            raise UserError("training.continue_from: a search starts each trial from the encoder; leave it out.")
        if not config.training.max_steps:
            raise UserError("training.max_steps=0: a search trains; give it steps.")
        if config.training.other_limits:
            limit = next(iter(config.training.other_limits))
            raise UserError(f"training.{limit}: a search compares trials at equal steps; leave it out.")
        if config.search.algorithm == "grid" and space.grid_size() < config.search.num_trials:
            raise UserError(
                f"search.num_trials={config.search.num_trials}: the grid of {file} has {space.grid_size()} points."
            )
        home = Home.of(config, checkout)
        hashes = home.source_hashes()
        plan = StagePlan.of(config, hashes)
        check_tokenizer(config.encoder)
        settings = config.search.counted(Role.SEARCH)
        known = fingerprint([run_fingerprint(config, plan), space.model_dump(mode="json"), settings])
        ledger = ledger_of(config, home, known, fresh)
        if ledger.part is None and task is None and config.search.retrain:
            raise UserError(
                f"search.retrain={config.search.retrain}: an earlier version began this search, and chose by all "
                "held-out pairs, so there are none to measure on; --fresh begins it again."
            )
        return cls(config, space, home, plan, ledger)

    @property
    def folder(self) -> Path:
        return self.ledger.folder

    @property
    def frame(self) -> Frame:
        return Frame(self.home, self.folder, "output.dir", self.config)

    @property
    def rungs(self) -> Rungs:
        return Rungs.of(self.config.search, self.config.training.max_steps)

    def preview(self) -> None:
        """Print what would happen."""
        search = self.config.search
        print(self.config.to_yaml())
        for key, domain in self.space.domains.items():
            print(f"search {key}: {domain!r}")
        print("".join(f"note: {note}\n" for note in self.space.notes()), end="")
        print(
            f"{search.num_trials} trials of {self.rungs.whole:,} steps, {len(self.ledger.ended())} of them done; "
            f"compared after {', '.join(f'{step:,}' for step in self.rungs.steps())} steps"
        )
        print(f"folder {self.folder}")
        self.home.preview()

    def run(self) -> dict[str, Any]:
        """Run the trials that are left, and write the results; the result, as result.json has it."""
        search = self.config.search
        if self.ledger.finished and len(self.ledger.ended()) >= search.num_trials:
            result: dict[str, Any] = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
            if tested_of(result) is None or len(result.get("retrained", [])) >= search.retrain:
                print(f"This search is finished; --fresh runs it again. Its result, from {self.folder}:")
                self.say(result)
                return result
        clock = Clock()
        os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # which would end a search as if it were finished
        with self.frame.at_work(), interrupted_by_sigterm():  # after Ray, which sets a handler of its own
            self.ledger.reread()
            concurrent = self.concurrent()
            check_shared(self.home.path)
            check_shared(self.folder, "output.dir")
            prepare_training()
            Examination(self.config.of_training()).notes()
            data = run_stages(self.config, self.home.store, self.plan)
            print("\n".join(UnknownCounts.of(data.encoded, data.load_tokenizer).lines()))
            result = self.search(data, concurrent, clock)
        self.say(result)
        return result

    def concurrent(self) -> int:
        """How many trials run at once.

        Raises:
            UserError: not even one fits.
        """
        training, search = self.config.training, self.config.search
        check_capacity(training.num_workers, resources(training))
        fit = workers_that_fit(resources(training)) // training.num_workers
        chosen = max(1, min(fit, search.max_concurrent or fit, search.num_trials))
        if search.max_concurrent is not None and search.max_concurrent > fit:
            print(f"search.max_concurrent={search.max_concurrent}: the cluster has room for {fit} trials at once")
        print(f"{search.num_trials} trials, {len(self.ledger.ended())} of them done; {chosen} at once")
        return chosen

    def search(self, data: Data, concurrent: int, clock: Clock) -> dict[str, Any]:
        from weam_ray.search.follow import Follow
        from weam_ray.search.run import run_trials
        from weam_ray.search.tracker import SearchTracker
        from weam_ray.search.trial import Trials

        ledger, earlier = self.ledger, self.ledger.seconds
        ledger.sessions += 1
        ledger.finished = False
        trials = Trials(self.config, self.space, self.home, self.folder, self.rungs, ledger.part)
        tracker = SearchTracker(trials, ledger, data)
        with tracker.parent.ending(tracker.deliver) as courier:
            follow = Follow(trials, ledger)
            try:
                run_trials(trials, ledger, follow, concurrent)
            except BaseException:
                tracker.interrupted = True
                raise
            finally:
                ledger.seconds = round(earlier + clock.total(), 1)
                follow.interrupt()
            if not courier.catch_up(self.config.tracking.wait_seconds):
                raise UserError(self.untold(courier.reason))
            result = self.conclude(tracker, trials)
        ledger.finished = True
        ledger.save()
        return result

    def untold(self, reason: str) -> str:
        return (
            f"The trials are done, but MLflow is locked or away, and their end cannot be told: {reason}. The same "
            f"command ends the search. {self.folder} has what there is."
        )

    def tell(self, action: Callable[[], Told]) -> Told:
        """Do something in MLflow, waiting if it is away.

        Raises:
            UserError: it does not come back in time.
        """
        tracking = self.config.tracking
        try:
            return insist(action, tracking.wait_seconds, store_of(tracking.uri, self.home.path))
        except failures() as error:
            raise UserError(self.untold(reason_of(error))) from None

    def conclude(self, tracker: Any, trials: Any) -> dict[str, Any]:
        """Result, table, plots, best configuration, and the registered model; what it is worth on other text, and with
        other seeds.

        Raises:
            UserError: every trial failed.
        """
        from weam_ray.report.search import TABLE, write_plots, write_table
        from weam_ray.search.champion import describe, register
        from weam_ray.search.on_test import worth
        from weam_ray.search.tracker import figures_of

        ledger, metric = self.ledger, self.config.search.metric
        table = write_table(ledger, self.space, self.folder / TABLE)
        done = ledger.completed(metric_of(metric).mode)
        if not done:
            self.tell(lambda: tracker.parent.log_files(table))
            failed = [trial for trial in ledger.trials if trial.state == FAILED]
            ended = len(ledger.ended())
            what = f"All {ended} trials of the search failed"
            if len(failed) < ended:
                what = f"None of {ended} trials was completed: {len(failed)} failed, the others were stopped early"
            first = f"; trial {failed[0].number}: {failed[0].message}" if failed else "."
            raise UserError(f"{what}{first} All are in {table}.")
        best = done[0]
        write_whole(self.folder / BEST_CONFIG, self.best_config(best).to_yaml())
        files = [table, self.folder / BEST_CONFIG, *write_plots(ledger, self.space, metric, self.folder)]
        model = trials.training(best.number, 0).model
        name = re.sub("[/:]", "-", f"{self.config.tracking.experiment}-{self.config.name}")  # what MLflow refuses
        run_id, tags = best.mlflow_run_id, {"metric": metric, "value": f"{best.value:.6f}"}
        assert run_id is not None
        known = worth(trials, best)
        ledger.champion = self.tell(lambda: register(tracker.parent, run_id, model, name, tags))
        result = {
            "fingerprint": ledger.fingerprint,
            "metric": metric,
            "best_trial": best.number,
            "best_values": best.values,
            "best_value": best.value,
            **known,
            "trials": {
                state: sum(trial.state == state for trial in ledger.trials)
                for state in dict.fromkeys(trial.state for trial in ledger.trials)
            },
            "model": str(model),
            "champion": ledger.champion,
            "seconds": ledger.seconds,
            "mlflow_run_id": ledger.mlflow_run_id,
            "address": tracker.parent.address(),
        }
        write_whole(self.folder / RESULT, json.dumps(result, indent=1))
        said = " ".join(verdict(result, len(done)))
        self.tell(lambda: describe(tracker.parent, name, said, tags_of(result)))
        figures = figures_of(ledger, best, result)
        self.tell(lambda: tracker.conclude(best, figures, said, [*files, self.folder / RESULT]))
        return result

    def best_config(self, best: Trial) -> Config:
        """The configuration of the best trial, for the main job, which then chooses its folder."""
        config = self.space.configured(self.config, best.values)
        return make_config(config.tree(), [f"name={config.name}-best", "output.dir=null"])

    def say(self, result: dict[str, Any]) -> None:
        from weam_ray.report.search import PAGE, TABLE, print_phases, print_trials

        print_trials(self.ledger, self.space, self.config.search.metric)
        print_phases(self.ledger)
        done = len(self.ledger.completed(metric_of(self.config.search.metric).mode))
        told = [
            *verdict(result, done),
            *([AGAIN] if tested_of(result) is not None and "retrained" not in result else []),
        ]
        notes = [*self.space.notes(), *result.get("notes", [])]
        print("\n".join([*told, *(f"note: {note}" for note in notes)]))
        print(f"Best model: {result['champion']} (mlflow.transformers.load_model), {result['model']}")
        print(f"Train it again: {spoken('pretrain')} --config {shlex.quote(str(self.folder / BEST_CONFIG))}")
        files = (TABLE, BEST_CONFIG, RESULT, PAGE, "plots")
        self.frame.say_where(files, "search", result["address"])


def ledger_of(config: Config, home: Home, known: str, fresh: bool) -> Ledger:
    """The state of a search in its folder, new or of earlier sessions.

    Raises:
        UserError: the folder holds another search, or something else.
    """
    path = output_folder(config.output, home, f"search-{config.name}-{known[:8]}", fresh)
    check_holder(path, Kind.SEARCH, "output.dir")
    ledger = Ledger.read(path)
    if ledger is None:
        check_free(path, "search")
        return Ledger(path, known, part=DEV)
    if ledger.fingerprint != known:
        raise UserError(
            f"output.dir={path} holds a search with another space, configuration or data; choose another folder, or "
            "--fresh for a new numbered one."
        )
    return ledger
