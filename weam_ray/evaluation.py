"""The evaluation job: what there is to run, each (task, seed) as a task of the cluster, and what comes out of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weam_ray.cluster import RayTasks, check_shared, progress, ray_cluster
from weam_ray.config import EncoderSection, fingerprint
from weam_ray.encoder import encoder_fingerprint
from weam_ray.errors import UserError
from weam_ray.evaluate.data import Part, TaskData, table_fingerprint
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.languages import ENGLISH, language
from weam_ray.evaluate.results import Result, evaluation_result, overview, pretraining_seed
from weam_ray.evaluate.running import Run, carry_on, parts_of, run_trained, run_untrained, write_whole
from weam_ray.evaluate.settings import EvaluationSettings, Recipe
from weam_ray.evaluate.tasks import intermediate_of, task_of
from weam_ray.evaluate.tasks.base import Split, Task
from weam_ray.evaluate.tracked import EvaluationTracker
from weam_ray.report.evaluation import Report
from weam_ray.runs import Home

STATE, ABOUT, RESULT = "state.json", "evaluation.json", "result.json"


@dataclass
class Planned:
    """A task with its data, recipe, labels and test languages."""

    data: TaskData
    recipe: Recipe
    labels: tuple[str, ...]
    tests: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def task(self) -> Task:
        return self.data.task


class EvaluationJob:
    """One evaluation: a system, tasks, languages, a setting, seeds."""

    def __init__(self, settings: EvaluationSettings, checkout: Path) -> None:
        """Find the data and check them; nothing is trained yet.

        Raises:
            UserError: unknown tasks or languages, missing data, labels that training does not show, an output folder
                of another evaluation.
        """
        self.settings = settings
        self.home = Home.of(settings, checkout)
        self.folder = Path(settings.output).expanduser().absolute()
        root = None if settings.data_root is None else Path(settings.data_root).expanduser().absolute()
        if root is not None and not root.is_dir():
            raise UserError(f"--data-root: there is no folder {str(root)!r}.")
        hashes = self.home.source_hashes()
        self.models = {
            model: encoder_fingerprint(EncoderSection(name=model), hashes) for model in dict.fromkeys(settings.models)
        }
        tokenizers = {encoder_fingerprint(EncoderSection(name=model), hashes, True) for model in self.models}
        if len(tokenizers) > 1:
            raise UserError("--model: the models of one system must share a tokenizer, and these do not.")
        (self.tokenizer,) = tokenizers
        self.chain = [self.planned(intermediate_of(name), root, tested=False) for name in settings.intermediate]
        self.planned_tasks = [self.planned(task_of(name), root, tested=True) for name in settings.tasks]
        self.runs = [run for planned in self.planned_tasks for run in self.runs_of(planned)]

    def planned(self, task: Task, root: Path | None, tested: bool) -> Planned:
        """A task with data that are there, whose labels training shows."""
        data = TaskData.found(task, root)
        recipe = self.settings.recipe_of(task.name, task.recipe)
        print(f"{task.name}: the data are in the form '{data.form}'" + (f" under {root}" if data.layout else ""))
        planned = Planned(data, recipe, task.labels, notes=list(task.notes))
        if data.layout is not None and data.layout.note:
            planned.notes.append(data.layout.note)
            print(f"{task.name}: {data.layout.note}")
        if tested:
            planned.tests = self.test_languages(data)
        needed: list[tuple[Split, str]] = [("dev", ENGLISH), ("train", ENGLISH)] if task.trained else []
        if tested and task.trained and self.settings.setting != "zero-shot":
            needed += [("train", code) for code in planned.tests]
        for split, code in dict.fromkeys(needed):
            if not data.has(split, language(code)):
                data.read(split, code)  # raises the sentence
        if task.trained:
            planned.labels = self.known_labels(planned)
        return planned

    def test_languages(self, data: TaskData) -> tuple[str, ...]:
        """English first, then the languages that are asked for, or all that have test data.

        Raises:
            UserError: a language without test data.
        """
        asked = [language(code).code for code in self.settings.languages] or data.test_languages()
        for code in asked:
            if code != ENGLISH and not data.has("test", language(code)):
                known = ", ".join(data.test_languages()) or "none"
                raise UserError(
                    f"{data.task.name}: no test data for {code} in the form '{data.form}'; there are data for {known}."
                )
        first = [ENGLISH] if data.has("test", language(ENGLISH)) else []
        return tuple(dict.fromkeys([*first, *(code for code in asked if code != ENGLISH)]))

    def known_labels(self, planned: Planned) -> tuple[str, ...]:
        """The labels of a task that predicts labels of a set: its own, or those of the training data.

        Raises:
            UserError: a label that neither the task nor its training data know.
        """
        kind, data = KINDS[planned.task.kind], planned.data
        shown = set().union(*(kind.labels(data.read("train", code)) for code in self.trained_languages(planned)))
        known = tuple(planned.task.labels) or tuple(sorted(shown))
        parts: list[tuple[Split, list[str]]] = [("train", [ENGLISH]), ("dev", [ENGLISH]), ("test", [*planned.tests])]
        for split, codes in parts:
            for code in codes:
                found = kind.labels(data.read(split, code))
                strange = sorted(found - set(known))
                if strange:
                    raise UserError(
                        f"{planned.task.name}: the {split} data for {code} have the label {strange[0]!r}, which "
                        + (f"is none of the task's ({', '.join(known)})." if planned.task.labels else "training lacks.")
                    )
                unseen = sorted(found - shown)
                if unseen:
                    planned.notes.append(f"{code}: no training example has {', '.join(unseen)}; these count as wrong")
                    print(f"{planned.task.name}, {planned.notes[-1]}.")
        return known

    def trained_languages(self, planned: Planned) -> list[str]:
        if self.settings.setting == "zero-shot":
            return [ENGLISH]
        return list(dict.fromkeys([ENGLISH, *planned.tests]))

    def runs_of(self, planned: Planned) -> Iterator[Run]:
        settings = self.settings
        if not planned.task.trained:
            for number, model in enumerate(self.models, 1):
                yield self.run(planned, number, 0, model, (), planned.tests, "")
            return
        for seed in settings.seeds:
            for part, trains_on, tests in parts_of(settings.setting, planned.tests):
                yield self.run(planned, seed, seed, settings.model_of(seed), trains_on, tests, part)

    def run(
        self,
        planned: Planned,
        number: int,
        seed: int,
        model: str,
        trains_on: tuple[str, ...],
        tests: tuple[str, ...],
        part: str,
    ) -> Run:
        """A run, with the fingerprint of all that can change its result."""
        given = {
            "task": planned.task.name,
            "form": planned.data.form,
            "root": str(planned.data.root),
            "recipe": planned.recipe.model_dump(),
            "labels": planned.labels,
            "model": self.models[model],
            "seed": seed,
            "trains_on": trains_on,
            "tests": tests,
            "threads": self.settings.threads,
            "intermediate": [(own.task.name, own.recipe.model_dump()) for own in self.chain],
        }
        return Run(
            planned.data,
            number,
            seed,
            model,
            planned.recipe,
            planned.labels,
            trains_on,
            tests,
            fingerprint(given),
            part,
        )

    def execute(self) -> dict[str, Any]:
        """Run what is not done yet, and write the results; the result, as result.json has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.check_folder()
        records = {run.name: record for run in self.runs if (record := run.record(self.folder)) is not None}
        if records:
            print(f"{len(records)} of {len(self.runs)} runs are done already")
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
        tests = {
            planned.task.name: {code: table_fingerprint(planned.data.read("test", code)) for code in planned.tests}
            for planned in self.planned_tasks
        }
        metrics = {planned.task.name: planned.task.metric for planned in self.planned_tasks}
        result = evaluation_result(records, metrics, tests)
        about = self.about()
        write_whole(self.folder / RESULT, json.dumps(result, indent=1))
        write_whole(self.folder / ABOUT, json.dumps({**about, "overview": overview(result)}, indent=1))
        report = Report(about, result, overview(result), self.folder)
        report.print()
        tracker.log_results(result, [self.folder / RESULT, self.folder / ABOUT, *report.write()])
        return result

    def about(self) -> dict[str, Any]:
        """What was evaluated and how, as evaluation.json has it."""
        settings = self.settings
        return {
            "identity": self.identity,
            "system": settings.system,
            "models": settings.models,
            "pretraining_seeds": [pretraining_seed(model) for model in settings.models],
            "seeds": settings.seeds,
            "setting": settings.setting,
            "intermediate": [planned.task.name for planned in self.chain],
            "data_root": settings.data_root,
            "threads": settings.threads,
            "tasks": {
                planned.task.name: {
                    "trained": planned.task.trained,
                    "metric": planned.task.metric,
                    "form": planned.data.form,
                    "recipe": planned.recipe.model_dump(),
                    "notes": planned.notes,
                    "languages": list(planned.tests),
                }
                for planned in self.planned_tasks
            },
        }

    @property
    def identity(self) -> dict[str, Any]:
        """What makes another evaluation of one: the system, its models, the setting, the intermediate tasks."""
        settings = self.settings
        return {
            "system": settings.system,
            "setting": settings.setting,
            "models": list(self.models.values()),
            "intermediate": [planned.task.name for planned in self.chain],
        }

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
            write_whole(about, json.dumps({"identity": self.identity}))
            return
        there = json.loads(about.read_text(encoding="utf-8")).get("identity")
        if there != self.identity:
            raise UserError(f"--output {self.folder} holds another evaluation ({there}); name another folder.")

    def finished(self, done: dict[str, Any]) -> Iterator[tuple[Run, dict[str, Any]]]:
        """The runs that are not done, with their records, as they finish.

        Raises:
            UserError: raised in a run.
        """
        import ray

        left = [run for run in self.runs if run.name not in done]
        settings = self.settings
        tasks = RayTasks(settings.threads, num_gpus=1 if settings.use_gpu else 0)
        waiting: dict[Any, Run] = {}
        encoders: dict[int, Any] = {}
        for planned in self.planned_tasks:
            own = [run for run in left if run.data is planned.data]
            if not own:
                continue
            if not planned.task.trained:
                waiting |= {tasks.submit(run_untrained, run, self.folder, settings.threads): run for run in own}
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
        bar = progress(range(len(self.runs)), "evaluation", total=len(self.runs))
        bar.update(len(self.runs) - len(left))
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            run = waiting.pop(ready)
            record = tasks.get(ready)
            bar.update()
            bar.write(f"{run.name}: {told(record)} ({record['seconds']:.0f} s)", file=None)
            yield run, record
        bar.close()

    def encoder_of(self, tasks: RayTasks, run: Run) -> Any:
        """Where a seed's encoder is: the model, or what the chain of intermediate tasks made of it."""
        encoder: Any = run.model
        names: list[str] = []
        for planned in self.chain:
            names.append(planned.task.name)
            own = self.run(planned, run.seed, run.seed, run.model, (ENGLISH,), (), "")
            training, development, _ = self.encoded(planned, own)
            given = fingerprint([self.models[run.model], run.seed, names, own.fingerprint])
            folder = self.folder / "intermediate" / f"{'+'.join(names)}-{run.seed}-{given[:8]}"
            encoder = tasks.submit(carry_on, own, training, development, encoder, folder, self.settings.threads)
        return encoder

    def encoded(self, planned: Planned, run: Run) -> tuple[Encoded, Encoded, dict[str, Encoded]]:
        """Training, development and test data of a run, as stages that all runs share."""

        def part(split: Any, *codes: str) -> Encoded:
            given = Part(planned.data, split, codes)
            return Encoded(given.encode(self.home.store, planned.recipe, planned.labels, run.model, self.tokenizer))

        tests = {} if planned.task.kind == "retrieval" else {code: part("test", code) for code in run.tests}
        return part("train", *run.trains_on), part("dev", ENGLISH), tests


def told(record: dict[str, Any]) -> str:
    """The scores of a run, in short."""
    scores = record["scores"]
    if not scores:
        return "predictions only: the labels are hidden"
    metric = next(iter(next(iter(scores.values()))))
    return f"{metric} " + ", ".join(f"{code} {own[metric]:.1f}" for code, own in scores.items())
