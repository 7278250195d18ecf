"""The evaluation job: each (task, seed) as a task of the cluster, and what comes out of them all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weam_ray.cluster import RayTasks, check_shared, progress, ray_cluster
from weam_ray.config import fingerprint
from weam_ray.errors import UserError
from weam_ray.evaluate.data import Part
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.plan import EvaluationPlan, Planned
from weam_ray.evaluate.results import Result, about_evaluation, all_records, evaluation_result, overview, tested
from weam_ray.evaluate.running import (
    AlignmentRun,
    Run,
    carry_on,
    run_alignment,
    run_trained,
    run_untrained,
)
from weam_ray.evaluate.settings import EvaluationSettings
from weam_ray.evaluate.tracked import EvaluationTracker
from weam_ray.files import write_whole
from weam_ray.report.evaluation import Report
from weam_ray.runs import Home

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
        self.folder = Path(settings.output).expanduser().absolute()
        self.plan = EvaluationPlan(settings, self.home.source_hashes())

    def execute(self) -> dict[str, Any]:
        """Run what is not done yet, and write the results; the result, as result.json has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.check_folder()
        records = {run.name: record for run in self.plan.runs if (record := run.record(self.folder)) is not None}
        if records:
            print(f"{len(records)} of {len(self.plan.runs)} runs are done already")
        tracker = EvaluationTracker(self.settings, self.home.path, self.folder / STATE)
        try:
            for name, record in records.items():
                tracker.log_run(name, record)
            with ray_cluster(self.settings.cluster.address, self.settings.cluster.num_cpus):
                check_shared(self.folder)
                for run, record in self.finished(records):
                    records[run.name] = record
                    tracker.log_run(run.name, record)
            result = self.conclude(list(records.values()), tracker)
        except KeyboardInterrupt:
            tracker.end("KILLED")
            raise
        except BaseException:
            tracker.end("FAILED")
            raise
        tracker.end("FINISHED")
        print(f"Results: {self.folder} ({RESULT}, report.html, predictions/, {ABOUT})")
        print(tracker.where())
        return result

    def conclude(self, records: list[dict[str, Any]], tracker: EvaluationTracker) -> Result:
        """Result, report and pictures of finished runs."""
        records, measured = all_records(records)
        metrics, tests = tested(self.plan, measured)
        result = evaluation_result(records, metrics, tests)
        about, whole = about_evaluation(self.plan, measured), overview(result)
        write_whole(self.folder / RESULT, json.dumps(result, indent=1))
        write_whole(self.folder / ABOUT, json.dumps({**about, "overview": whole}, indent=1))
        report = Report(about, result, whole, self.folder, measured)
        report.print()
        tracker.log_results(result, [self.folder / RESULT, self.folder / ABOUT, *report.write()])
        return result

    def check_folder(self) -> None:
        """See that the folder is new, or of this system and setting.

        Raises:
            UserError: it holds another evaluation, or something else.
        """
        about = self.folder / ABOUT
        if not about.is_file():
            strange = [entry.name for entry in self.folder.iterdir() if entry.name not in ("runs", STATE)]
            if strange:
                raise UserError(f"--output {self.folder}: {strange[0]} is there, and not from this job; name another.")
            write_whole(about, json.dumps({"identity": self.plan.identity}))
            return
        there = json.loads(about.read_text(encoding="utf-8")).get("identity")
        if there != self.plan.identity:
            raise UserError(f"--output {self.folder} holds another evaluation ({there}); name another folder.")

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
        for run in left:
            if isinstance(run, AlignmentRun):
                waiting[tasks.submit(run_alignment, run, self.folder, settings.threads, settings.use_gpu)] = run
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
        bar = progress(range(len(self.plan.runs)), "evaluation", total=len(self.plan.runs))
        bar.update(len(self.plan.runs) - len(left))
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            run = waiting.pop(ready)
            record = tasks.get(ready)
            bar.update()
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
            encoder = tasks.submit(carry_on, own, training, development, encoder, folder, self.settings.threads)
        return encoder

    def encoded(self, planned: Planned, run: Run) -> tuple[Encoded, Encoded, dict[str, Encoded]]:
        """Training, development and test data of a run, as stages that all runs share."""

        def part(split: Any, *codes: str) -> Encoded:
            given = Part(planned.data, split, codes)
            return Encoded(
                given.encode(self.home.store, planned.recipe, planned.labels, run.model, self.plan.tokenizer)
            )

        tests = {} if planned.task.kind == "retrieval" else {code: part("test", code) for code in run.tests}
        return part("train", *run.trains_on), part("dev", ENGLISH), tests
