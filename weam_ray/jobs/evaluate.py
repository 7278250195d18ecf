"""The evaluation job: each (task, seed) as a task of the cluster, and what comes out of them all."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weam_ray.cluster.capacity import check_capacity, check_seen, check_shared, slots_of_node
from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.errors import UserError
from weam_ray.evaluate.data import Part
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.plan import EvaluationPlan, Planned
from weam_ray.evaluate.results import Result, about_evaluation, all_records, evaluation_result, overview, tested
from weam_ray.evaluate.run import (
    AlignmentRun,
    Run,
    carry_on,
    finish_alignment,
    measure_alignment,
    run_trained,
    run_untrained,
)
from weam_ray.evaluate.tracker import EvaluationTracker
from weam_ray.jobs.frame import EVALUATION_PLAN, Frame, Kind, check_holder, warn_of_lacks
from weam_ray.report.evaluation import Report
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.store.files import check_folder, fingerprint, write_whole
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
    parts: dict[tuple[int, str, tuple[str, ...]], Encoded] = field(default_factory=dict)

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

    def preview(self) -> None:
        """Print what would happen, and do nothing.

        Raises:
            UserError: the folder holds another evaluation, or something else.
        """
        self.check_folder()
        for run in self.plan.runs:
            print(f"run {run.name}: {'to do' if run.record(self.folder) is None else 'done'}")
        print(f"data {'by the names of data sets' if self.plan.root is None else self.plan.root}")
        print(f"folder {self.folder}: {'holds this evaluation' if self.earlier_plan() else 'new'}")
        self.home.preview()

    def run(self) -> dict[str, Any]:
        """Run what is not done yet, and write the results; the result, as result.json has it."""
        with self.frame.held():
            self.check_folder()
            records = {run.name: record for run in self.plan.runs if (record := run.record(self.folder)) is not None}
            if records:
                print(f"{len(records)} of {len(self.plan.runs)} runs are done already")
            with self.frame.cluster():
                self.check_cluster()
                self.keep_plan()
                tracker = EvaluationTracker(self.settings, self.home.path, self.folder / STATE)
                with tracker.parent.ending(tracker.deliver) as courier:
                    for name, record in records.items():
                        tracker.add_run(name, record)
                    for run, record in self.finished(records):
                        records[run.name] = record
                        tracker.add_run(run.name, record)
                    result = self.conclude(list(records.values()), tracker)
        self.frame.say_where(FILES, "evaluation", tracker.parent.address())
        if courier.reason:
            lacks = f"{len(tracker.waiting)} of {len(records)} runs, or the results of this evaluation"
            warn_of_lacks("evaluation", lacks, courier.reason)
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
            entries = self.folder.iterdir() if self.folder.exists() else ()
            strange = [entry.name for entry in entries if not entry.name.startswith(("lease-", "."))]
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
                f"--output {self.folder} holds {', '.join(other)} with another recipe, data, languages, threads, "
                "device or version of the program; name another folder."
            )
        left = sorted(set(runs) - {run.name for run in self.plan.runs})
        if left:
            print(f"{self.folder} also has {', '.join(left)}, which this evaluation leaves out of its result")

    def earlier_plan(self) -> dict[str, Any] | None:
        """Identity and runs, as the folder has them."""
        file = self.folder / EVALUATION_PLAN
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    def keep_plan(self) -> None:
        """Write the plan, beside runs of an earlier one, and sweep out what a killed process left."""
        runs = (self.earlier_plan() or {"runs": {}})["runs"] | {run.name: run.fingerprint for run in self.plan.runs}
        write_whole(self.folder / EVALUATION_PLAN, json.dumps({"identity": self.plan.identity, "runs": runs}, indent=1))
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

    def finished(self, done: dict[str, Any]) -> Iterator[tuple[Run | AlignmentRun, dict[str, Any]]]:
        """The runs that are not done, with their records, as they finish.

        Raises:
            UserError: raised in a run.
        """
        import ray

        left = [run for run in self.plan.runs if run.name not in done]
        fine_tuned = [run for run in left if isinstance(run, Run)]
        settings = self.settings
        tasks = RayTasks(settings.threads, num_gpus=1 if settings.use_gpu else 0)
        waiting: dict[Any, Run | AlignmentRun] = {}
        measuring: set[Any] = set()
        for run in left:
            if isinstance(run, AlignmentRun):
                parts = [
                    tasks.submit(measure_alignment, run, number, settings.threads, settings.use_gpu)
                    for number in range(run.num_pairs + run.num_sets)
                ]
                measuring.update(parts)
                waiting[tasks.submit(finish_alignment, run, self.folder, *parts)] = run
        encoders: dict[int, Any] = {}
        for planned in self.plan.tasks:
            own = [run for run in fine_tuned if run.data is planned.data]
            if not own:
                continue
            if not planned.task.trained:
                for run in own:
                    reference = tasks.submit(run_untrained, run, self.folder, settings.threads, settings.use_gpu)
                    waiting[reference] = run
                continue
            for run in own:
                if run.seed not in encoders:
                    encoders[run.seed] = self.encoder_of(tasks, run)
                training, development, tests = self.encoded(planned, run)
                reference = tasks.submit(
                    run_trained,
                    run,
                    training,
                    development,
                    tests,
                    encoders[run.seed],
                    self.folder,
                    settings.threads,
                    settings.use_gpu,
                )
                waiting[reference] = run
        total = len(self.plan.runs) + len(measuring)
        bar = progress(range(total), "evaluation", total=total)
        bar.update(len(self.plan.runs) - len(left))
        while waiting:
            (ready,), _ = ray.wait([*waiting, *measuring], num_returns=1)
            bar.update()
            if ready in measuring:
                measuring.remove(ready)
                continue
            run = waiting.pop(ready)
            record = tasks.get(ready)
            bar.write(f"{run.name}: done in {record['seconds']:.0f} s", file=None)
            yield run, record
        bar.close()

    def encoder_of(self, tasks: RayTasks, run: Run) -> Any:
        """Where a seed's encoder is: the model, or what the chain of intermediate tasks made of it."""
        encoder: Any = run.model
        names: list[str] = []
        for planned in self.plan.chain:
            names.append(planned.task.name)
            own = self.plan.run(planned, run.seed, run.seed, run.model, (ENGLISH,), ())
            training, development, _ = self.encoded(planned, own)
            given = fingerprint([self.plan.models[run.model], run.seed, names, own.fingerprint])
            folder = self.folder / "intermediate" / f"{'+'.join(names)}-{run.seed}-{given[:8]}"
            settings = self.settings
            encoder = tasks.submit(
                carry_on, own, training, development, encoder, folder, settings.threads, settings.use_gpu
            )
        return encoder

    def encoded(self, planned: Planned, run: Run) -> tuple[Encoded, Encoded, dict[str, Encoded]]:
        """Training, development and test data of a run, as stages that all runs share."""

        def part(split: Any, *codes: str) -> Encoded:
            key = (id(planned), split, codes)  # two labelled files may have one name
            if key not in self.parts:
                store, recipe, labels = self.home.store, planned.recipe, planned.labels
                given = Part(planned.data, split, codes)
                self.parts[key] = Encoded(given.encode(store, recipe, labels, run.model, self.plan.tokenizer))
            return self.parts[key]

        tests = {} if planned.task.kind == "retrieval" else {code: part("test", code) for code in run.tests}
        return part("train", *run.trains_on), part("dev", ENGLISH), tests
