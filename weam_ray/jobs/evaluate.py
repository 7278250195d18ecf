"""The evaluation job: each (task, seed) as a task of the cluster, and what comes out of them all."""

import json
import shutil
from pathlib import Path
from typing import Any

from weam_ray.cluster.capacity import check_capacity, check_seen, check_shared, slots_of_node
from weam_ray.cluster.join import ray_cluster
from weam_ray.errors import UserError
from weam_ray.evaluate.plan import PLAN, EvaluationPlan
from weam_ray.evaluate.results import Result, about_evaluation, all_records, evaluation_result, overview, tested
from weam_ray.evaluate.submit import Submission
from weam_ray.evaluate.tracker import EvaluationTracker
from weam_ray.report.evaluation import Report
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.store.files import make_folder, write_whole
from weam_ray.store.home import Home
from weam_ray.store.lease import exclusive

STATE, ABOUT, RESULT = "state.json", "evaluation.json", "result.json"


class EvaluationJob:
    """One evaluation: a system, tasks, languages, a setting, seeds."""

    def __init__(self, settings: EvaluationSettings, checkout: Path) -> None:
        """Plan it; nothing is trained yet.

        Raises:
            UserError: what is asked for cannot be evaluated.
        """
        self.settings = settings
        self.home = Home.of(settings, checkout)
        self.folder = Path(settings.output)
        self.plan = EvaluationPlan(settings, self.home.source_hashes())

    def execute(self) -> dict[str, Any]:
        """Run what is not done yet, and write the results; the result, as result.json has it."""
        self.home.begin()
        make_folder(self.folder, "--output")
        with exclusive(self.folder, "wait for it, or name another folder with --output"):
            return self.execute_alone()

    def execute_alone(self) -> dict[str, Any]:
        """`execute`, in a folder that no other process works in."""
        self.check_folder()
        records = {run.name: record for run in self.plan.runs if (record := run.record(self.folder)) is not None}
        if records:
            print(f"{len(records)} of {len(self.plan.runs)} runs are done already")
        with ray_cluster(self.settings.cluster.address, self.settings.cluster.num_cpus):
            self.check_cluster()
            self.keep_plan()
            tracker = EvaluationTracker(self.settings, self.home.path, self.folder / STATE)
            with tracker.parent.ending(tracker.deliver) as courier:
                for name, record in records.items():
                    tracker.add_run(name, record)
                for run, record in Submission(self.plan, self.home.store, self.folder, records).records():
                    records[run.name] = record
                    tracker.add_run(run.name, record)
                result = self.conclude(list(records.values()), tracker)
        print(f"Results: {self.folder} ({RESULT}, report.html, predictions/, {ABOUT})")
        print(tracker.where())
        if courier.reason:
            print(
                f"warning: MLflow lacks {len(tracker.waiting)} of {len(records)} runs, or the results of this "
                f"evaluation: {courier.reason}. The evaluation itself is whole. The same command sends them."
            )
        return result

    def conclude(self, records: list[dict[str, Any]], tracker: EvaluationTracker) -> Result:
        """Result, report and pictures of finished runs."""
        records, measured = all_records(records)
        metrics, tests = tested(self.plan, measured)
        result = evaluation_result(records, metrics, tests)
        about, whole = about_evaluation(self.plan, records, measured), overview(result)
        write_whole(self.folder / RESULT, json.dumps(result, indent=1))
        write_whole(self.folder / ABOUT, json.dumps({**about, "overview": whole}, indent=1))
        report = Report(about, result, whole, self.folder, measured)
        report.print()
        tracker.add_results(result, [self.folder / RESULT, self.folder / ABOUT, *report.write()])
        return result

    def check_folder(self) -> None:
        """See that the folder is new, or of this evaluation, perhaps with other tasks or seeds.

        Raises:
            UserError: it holds another evaluation, or something else.
        """
        there = self.earlier_plan()
        if there is None:
            strange = [entry.name for entry in self.folder.iterdir() if not entry.name.startswith(("lease-", "."))]
            if strange:
                raise UserError(f"--output {self.folder}: {strange[0]} is there, and not from this job; name another.")
            return
        mine, known = self.plan.identity, there["identity"]
        differ = [f"{key}: {known.get(key)!r} there, {mine[key]!r} here" for key in mine if known.get(key) != mine[key]]
        if differ:
            raise UserError(
                f"--output {self.folder} holds another evaluation ({'; '.join(differ)}); name another folder."
            )
        runs = there["runs"]
        other = [run.name for run in self.plan.runs if runs.get(run.name, run.fingerprint) != run.fingerprint]
        if other:
            raise UserError(
                f"--output {self.folder} holds {', '.join(other)} with another recipe, data, languages, threads or "
                "version of the program; name another folder."
            )
        left = sorted(set(runs) - {run.name for run in self.plan.runs})
        if left:
            print(f"{self.folder} also has {', '.join(left)}, which this evaluation leaves out of its result")

    def earlier_plan(self) -> dict[str, Any] | None:
        """Identity and runs, as the folder has them."""
        file = self.folder / PLAN
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    def keep_plan(self) -> None:
        """Write the plan, beside runs of an earlier one, and sweep out what a killed process left."""
        earlier = (self.earlier_plan() or {"runs": {}})["runs"]
        write_whole(self.folder / PLAN, json.dumps(self.plan.file(earlier), indent=1))
        for partial in (self.folder / "intermediate").glob(".*"):
            shutil.rmtree(partial)

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
