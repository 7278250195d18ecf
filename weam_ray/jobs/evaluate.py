"""The evaluation job: each (task, seed) as a task of the cluster, and what comes out of them all."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.cluster.capacity import check_capacity, check_seen, check_shared, slots_of_node
from weam_ray.errors import UserError
from weam_ray.evaluate.aggregates import aggregates
from weam_ray.evaluate.majority import Majorities, chance_of_pairs, majorities
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.results import Result, about_evaluation, all_records, evaluation_result, overview, tested
from weam_ray.evaluate.seen import Seen
from weam_ray.evaluate.submit import Places, Submission
from weam_ray.evaluate.tracker import EvaluationTracker
from weam_ray.jobs.evaluate_folder import EvaluationFolder
from weam_ray.jobs.frame import Clock, Frame, Kind, check_holder, warn_of_lacks
from weam_ray.report.evaluation import Report
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.store.files import check_folder, write_whole
from weam_ray.store.home import Home
from weam_ray.store.runs import unused

STATE, ABOUT, RESULT = "state.json", "evaluation.json", "result.json"
FILES = (RESULT, "report.html", "predictions/", ABOUT)


@dataclass(frozen=True)
class EvaluationJob:
    """One evaluation: a system, tasks, languages, a setting, seeds."""

    settings: EvaluationSettings
    home: Home
    folder: Path
    plan: EvaluationPlan

    @classmethod
    def of(cls, settings: EvaluationSettings, checkout: Path, fresh: bool = False) -> "EvaluationJob":
        """Plan it; nothing is trained yet, and nothing written.

        Raises:
            UserError: what is asked for cannot be evaluated, or the folder holds something else.
        """
        home, folder = Home.of(settings, checkout), Path(settings.output)
        check_folder(folder, "--output")
        folder = unused(folder) if fresh else folder
        check_holder(folder, Kind.EVALUATION, "--output")
        return cls(settings, home, folder, EvaluationPlan(settings, home.source_hashes()))

    @property
    def frame(self) -> Frame:
        return Frame(self.home, self.folder, "--output", self.settings)

    @property
    def place(self) -> EvaluationFolder:
        return EvaluationFolder(self.folder, self.plan)

    def preview(self) -> None:
        """Print what would happen, and do nothing.

        Raises:
            UserError: the folder holds another evaluation, or something else.
        """
        self.place.check()
        for run in self.plan.runs:
            print(f"run {run.name}: {'to do' if run.record(self.folder) is None else 'done'}")
        print(f"data {'by the names of data sets' if self.plan.root is None else self.plan.root}")
        print(f"folder {self.folder}: {'holds this evaluation' if self.place.earlier() else 'new'}")
        self.home.preview()

    def run(self) -> dict[str, Any]:
        """Run what is not done yet, and write the results; the result, as result.json has it."""
        clock = Clock()
        with self.frame.held():
            self.place.check()
            records = {run.name: record for run in self.plan.runs if (record := run.record(self.folder)) is not None}
            if records:
                print(f"{len(records)} of {len(self.plan.runs)} runs are done already")
            with self.frame.cluster():
                self.check_cluster()
                self.place.keep_plan()
                with clock.phase("seen"):
                    seen = Seen.of(self.plan, self.home.store)
                tracker = EvaluationTracker(self.settings, self.home.path, self.folder / STATE)
                with tracker.parent.ending(tracker.deliver) as courier:
                    for name, record in records.items():
                        tracker.add_run(name, record)
                    majority = majorities(self.plan)
                    with clock.phase("runs"):
                        left = [run for run in self.plan.runs if run.name not in records]
                        submission = Submission(self.plan, self.home.store, Places(self.folder), left)
                        for run, record in submission.records():
                            records[run.name] = record
                            tracker.add_run(run.name, record)
                    with clock.phase("results"):
                        result = self.conclude(list(records.values()), seen, majority, tracker)
        print(clock.line())
        self.frame.say_where(FILES, "evaluation", tracker.parent.address())
        if courier.reason:
            lacks = f"{len(tracker.waiting)} of {len(records)} runs, or the results of this evaluation"
            warn_of_lacks("evaluation", lacks, courier.reason)
        return result

    def conclude(
        self, records: list[dict[str, Any]], seen: Seen, majority: Majorities, tracker: EvaluationTracker
    ) -> Result:
        """Result, report and pictures of finished runs."""
        records, measured = all_records(records)
        metrics, tests = tested(self.plan, measured)
        majority = majority | chance_of_pairs(self.folder, measured)
        result = evaluation_result(records, metrics, tests, majority)
        about, whole = about_evaluation(self.plan, records, measured, seen, majority), overview(result)
        about["benchmarks"] = aggregates(result)
        write_whole(self.folder / RESULT, json.dumps(result, indent=1))
        write_whole(self.folder / ABOUT, json.dumps({**about, "overview": whole}, indent=1))
        report = Report(about, result, whole, self.folder, measured)
        report.print()
        tracker.add_results(result, [self.folder / RESULT, self.folder / ABOUT, *report.write()])
        return result

    def check_cluster(self) -> None:
        """See that the cluster can do the runs, and that its nodes have what they need.

        Raises:
            UserError: too few cores or GPUs on any node, or a folder that is not there for all.
        """
        needs = {"CPU": float(self.settings.threads), **({"GPU": 1.0} if self.settings.use_gpu else {})}
        try:
            check_capacity(1, needs, "runs")
        except UserError:
            options = f"--threads {self.settings.threads}" + (" --use-gpu" if self.settings.use_gpu else "")
            raise UserError(
                f"{options}: no node of the cluster has room for a run of "
                f"{' and '.join(f'{amount:g} {name}' for name, amount in needs.items())}; the largest has "
                f"{slots_of_node(1):g} CPU."
            ) from None
        check_shared(self.folder, "output")
        if self.home.stages.is_local:
            check_shared(Path(self.home.stages.path), "stages")
        if self.plan.root is not None:
            check_seen(self.plan.root, "--data-root")
        for model in self.plan.models:
            if Path(model).exists():
                check_seen(Path(model), "--model")
