"""The study: pre-trains its systems, evaluates them, and answers its claims; what is there is not done again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from weam_ray.cluster.capacity import check_shared, workers_that_fit
from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.errors import UserError
from weam_ray.evaluate.majority import Majorities, majorities
from weam_ray.evaluate.results import data_used
from weam_ray.evaluate.seen import Seen
from weam_ray.evaluate.submit import Submission, finished
from weam_ray.jobs.frame import Clock, interrupted_by_sigterm, warn_of_lacks
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.jobs.study_plan import StudyPlan, Training
from weam_ray.jobs.study_preview import preview
from weam_ray.report.study import Facts, StudyReport
from weam_ray.settings.config import Config
from weam_ray.store.files import write_whole
from weam_ray.store.training_folder import STATE
from weam_ray.study.answers import Answer, answer_trees, answers
from weam_ray.study.cells import Cell, CellsPlan, Encoder, Matrix, places_of, tasks_of
from weam_ray.study.rates import Tried, choose, settings_of_trial
from weam_ray.study.systems import candidates_of, with_rates
from weam_ray.study.table import Scores, write_cells
from weam_ray.study.tracker import StudyTracker
from weam_ray.train.job import resources
from weam_ray.train.launch import root_cause
from weam_ray.train.log import read_steps

STUDY, CELLS, ANSWERS = "study.yaml", "cells.parquet", "answers.json"
FILES = (ANSWERS, CELLS, "report.html", "report.md", STUDY)
POLL_SECONDS = 2.0


class StudyJob(StudyPlan):
    """A study as it is run."""

    def preview(self) -> None:
        """Print the cells, what of them is there, and how long the rest will take by what was measured before."""
        preview(self)

    def run(self) -> list[dict[str, Any]]:
        """Run what is not done yet, and answer the claims; the answers, as answers.json has them."""
        clock = Clock()
        with self.frame.at_work(), interrupted_by_sigterm():  # after Ray, which sets a handler of its own
            check_shared(self.home.path)
            check_shared(self.folder, "output.dir")
            tracker = StudyTracker(self.settings, self.home.path, self.folder / STATE)
            write_whole(self.folder / STUDY, self.settings.to_yaml())
            with tracker.parent.ending(tracker.deliver) as courier:
                with clock.phase("pre-training"):
                    base = self.pretrain_base()
                with clock.phase("learning rates"):
                    tried = self.tried_rates(base)
                chosen = {own.system: own.rate for own in tried if own.chosen}
                study = replace(self, settings=with_rates(self.settings, chosen))
                with clock.phase("pre-training"):
                    results = study.pretrain(base)
                models = {key: result["model"] for key, result in results.items()}
                matrix = Matrix(study.settings, self.home, study.encoders(base, models))
                with clock.phase("cells"):
                    cells = matrix.cells()
                    seen, majority = self.seen(cells), majority_of(cells)
                    data = data_used(majority)
                    reused = self.evaluate(cells)
                with clock.phase("results"):
                    rows = matrix.rows(cells, reused, majority)
                    found = self.conclude(rows, Facts(results, seen, tried, data))
                    runs = {
                        system: [result["mlflow_run_id"] for (name, _), result in results.items() if name == system]
                        for system, _ in results
                    }
                    tracker.conclude(rows, runs, [self.folder / name for name in FILES])
        print(clock.line())
        self.frame.say_where(FILES, "study", tracker.parent.address())
        if courier.reason:
            warn_of_lacks("study", "systems and cells of this study", courier.reason)
        return answer_trees(found)

    def pretrain_base(self) -> str | None:
        """Train the base encoder if it is not there; its folder, None where the study trains none."""
        own = self.base()
        return None if own is None else str(self.trained([own])[0]["model"])

    def pretrain(self, base: str | None) -> dict[tuple[str, int], dict[str, Any]]:
        """Train the systems that are not there; the results of all by system and seed."""
        trainings = self.trainings(base)
        results = self.trained(trainings)
        return {(each.name, each.seed): result for each, result in zip(trainings, results, strict=True)}

    def tried_rates(self, base: str | None) -> list[Tried]:
        """Try the learning rates of pre-training with the first seed, on English development data."""
        candidates = candidates_of(self.settings)
        if not candidates:
            return []
        trainings = [Training(own.name, 1, self.configurations.of(own, 1, base)) for own in candidates]
        results = self.trained(trainings)
        models = [result["model"] for result in results]
        encoders = [Encoder(own, 1, model) for own, model in zip(candidates, models, strict=True)]
        matrix = Matrix(settings_of_trial(self.settings), self.home, encoders)
        cells = matrix.cells()
        majority = majority_of(cells)  # before the cells take the rows
        return choose(candidates, matrix.rows(cells, self.evaluate(cells), majority))

    def trained(self, trainings: Sequence[Training]) -> list[dict[str, Any]]:
        """Run pre-trainings beside each other, as many as the cluster has room for; their results.

        One that fails does not stop the others.

        Raises:
            UserError: one failed by a mistake.
            RuntimeError: one failed otherwise.
        """
        jobs = [training.job(self.checkout) for training in trainings]
        distinct = {job.folder.path: (training, job) for training, job in zip(trainings, jobs, strict=True)}
        left = {path: own for path, own in distinct.items() if not own[1].folder.finished}
        if len(distinct) > 1 or not left:
            print(f"{len(distinct) - len(left)} of {len(distinct)} pre-trainings are done already")
        for _, job in left.values():
            job.build_stages()  # here, since several share them
        failed = list(self.run_trainings(list(left.values())))
        if failed:
            others = f" (and {len(failed) - 1} others)" if len(failed) > 1 else ""
            label, error = failed[0]
            kind = UserError if isinstance(error, UserError) else RuntimeError
            raise kind(f"{label}: the pre-training failed{others}: {root_cause(error)}") from error
        for job in jobs:
            job.folder.read_state()
        return [job.folder.result() for job in jobs]

    def run_trainings(self, left: list[tuple[Training, Pretraining]]) -> Iterator[tuple[str, Exception]]:
        """Run pre-trainings as tasks of the cluster; those that fail, with their errors."""
        import ray

        if not left:
            return
        tasks, waiting = RayTasks(0), list(left)
        running: dict[Any, tuple[Training, Pretraining]] = {}
        total = sum(training.config.training.max_steps for training, _ in left)
        bar = progress(None, "pre-training, steps", total)
        while waiting or running:
            while waiting and (not running or room_for(waiting[0][0].config, len(running))):
                training, job = waiting.pop(0)
                running[tasks.submit(pretrain_one, training.config, self.checkout)] = training, job
            ready, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
            done = sum(len(read_steps(job.folder.losses)) for _, job in left)
            bar.update(done - bar.n)
            for reference in ready:
                training, job = running.pop(reference)
                try:
                    tasks.get(reference)
                except (UserError, ray.exceptions.RayError) as error:  # the others go on
                    yield training.label, error
                else:
                    bar.write(f"{training.label}: pre-trained, {job.folder.path}", file=None)
        bar.close()

    def seen(self, cells: Sequence[Cell]) -> dict[str, list[str]]:
        """By task what the encoders' pre-training has seen of the test examples, in sentences.

        Raises:
            UserError: some were seen word by word, and `seen` of the evaluation says `refuse`.
        """
        found: dict[str, list[str]] = {}
        plans = dict.fromkeys(cell.plan for cell in cells)
        first = next(iter(plans), None)
        for plan in plans:
            if first is not None and (plan.intermediate, plan.settings.setting) == (
                first.intermediate,
                first.settings.setting,
            ):
                own = Seen.of(plan, self.home.store)
                for task in tasks_of(plan):
                    told = found.setdefault(task, [])
                    told += [sentence for sentence in [*own.sentences(task), *own.notes] if sentence not in told]
        return found

    def evaluate(self, cells: Sequence[Cell]) -> set[str]:
        """Run the cells that are not there, each once; the fingerprints of those that were there."""
        distinct = {cell.run.fingerprint: cell for cell in reversed(cells)}  # of several plans the first
        reused = {name for name, cell in distinct.items() if cell.record() is not None}
        print(f"{len(reused)} of {len(distinct)} cells are done already")
        submissions = []
        for plan in dict.fromkeys(cell.plan for cell in cells):
            left = [cell for name, cell in distinct.items() if cell.plan is plan and name not in reused]
            for cell in left:
                cell.folder.joinpath("runs").mkdir(parents=True, exist_ok=True)
            runs = [cell.run for cell in reversed(left)]
            submissions.append(Submission(plan, self.home.store, places_of(self.home), runs))
        bar = progress(None, "cells", sum(len(own.runs) + len(own.measurements) for own in submissions))
        for _ in finished(submissions, bar):
            pass
        bar.close()
        return reused

    def conclude(self, rows: list[dict[str, Any]], facts: Facts) -> list[Answer]:
        """Table, answers and report, written to the folder."""
        write_cells(rows, self.folder / CELLS)
        found = answers(self.settings, Scores.of(rows))
        write_whole(self.folder / ANSWERS, json.dumps(answer_trees(found), indent=1))
        report = StudyReport(self.settings, found, rows, facts, self.folder)
        report.write()
        report.print()
        return found


def majority_of(cells: Sequence[Cell]) -> dict[CellsPlan, Majorities]:
    """What the scores of each plan are to be above; its test rows must still be there."""
    return {plan: majorities(plan) for plan in dict.fromkeys(cell.plan for cell in cells)}


def room_for(config: Config, running: int) -> bool:
    """Whether the cluster has room for one more training beside those that run."""
    training = config.training
    return running < workers_that_fit(resources(training)) // training.num_workers


def pretrain_one(config: Config, checkout: Path) -> str:
    """Run a pre-training in a process of the cluster; the folder of its results."""
    job = Pretraining.of(config, checkout)
    job.run()
    return str(job.folder.path)
