"""An evaluation as tasks of the cluster, submitted together: features, and the runs that wait for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.evaluate.features import submit_features
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.planned import Planned
from weam_ray.evaluate.run import (
    AlignmentRun,
    Run,
    carry_on,
    finish_alignment,
    measure_alignment,
    run_trained,
    run_untrained,
)
from weam_ray.evaluate.tasks.base import Split
from weam_ray.store.files import fingerprint
from weam_ray.store.stages import StageStore


class Submission:
    """The runs of an evaluation that are not done, as tasks of the cluster; Ray must be up.

    A run waits for its features, and for the encoder that its intermediate tasks leave, and for nothing else.
    """

    def __init__(
        self, plan: EvaluationPlan, store: StageStore, places: "Places", left: Sequence[Run | AlignmentRun]
    ) -> None:
        """Submit all tasks.

        Args:
            store: where features are found and kept.
            places: where runs leave their results.
            left: the runs of the plan that are to be done.
        """
        settings = plan.settings
        self.plan, self.store, self.places, self.left = plan, store, places, left
        self.features_tasks = RayTasks(settings.cluster.data_cpus)
        self.run_tasks = RayTasks(settings.threads, num_gpus=1 if settings.use_gpu else 0)
        self.machine = settings.threads, settings.use_gpu
        self.features: dict[str, Any] = {}  # by fingerprint: several tasks may train on the same rows
        self.split_features: dict[tuple[int, Split, tuple[str, ...], int], Any] = {}
        self.test_rows: dict[tuple[int, str], Any] = {}  # where they are ranked as they are
        self.runs: dict[Any, Run | AlignmentRun] = {}  # by the record to come
        self.measurements: set[Any] = set()  # of alignment, to come: each run has several
        self.encoders: dict[tuple[int, str], Any] = {}  # by seed and model
        for planned in plan.tasks:
            for run in self.left:
                if isinstance(run, Run) and run.data is planned.data:
                    self.submit_run(planned, run)
            planned.tables.clear()
        for run in self.left:
            if isinstance(run, AlignmentRun):
                self.submit_alignment(run)
        for planned in plan.chain:
            planned.tables.clear()

    def submit_run(self, planned: Planned, run: Run) -> None:
        """Submit a run, with what it waits for."""
        encoder = self.encoder_of(run)
        if not planned.task.trained:
            tests = [self.rows_of(planned, code) for code in run.tests]
            reference = self.run_tasks.submit(run_untrained, run, encoder, self.places.of(run), *self.machine, *tests)
        else:
            training, development = self.training_of(planned, run.trains_on, run.model, run.seed)
            if planned.task.kind == "retrieval":
                tests = [self.rows_of(planned, code) for code in run.tests]
            else:
                tests = [self.features_of(planned, "test", (code,), run.model, run.seed) for code in run.tests]
            reference = self.run_tasks.submit(
                run_trained, run, training, development, encoder, self.places.of(run), *self.machine, *tests
            )
        self.runs[reference] = run

    def encoder_of(self, run: Run | AlignmentRun) -> Any:
        """The encoder that a run starts from; its intermediate tasks are submitted once for all runs of a seed."""
        key = (run.seed, run.model)
        if key not in self.encoders:
            self.encoders[key] = self.submit_chain(run)
        return self.encoders[key]

    def submit_chain(self, run: Run | AlignmentRun) -> Any:
        """Submit the intermediate tasks of a seed; the encoder that they leave, or else the model itself."""
        encoder: Any = run.model
        names: list[str] = []
        for planned in self.plan.chain:
            names.append(planned.task.name)
            link = self.plan.run(planned, run.seed, run.seed, run.model, (ENGLISH,), ())
            training, development = self.training_of(planned, link.trains_on, run.model, run.seed)
            known = fingerprint([self.plan.models[run.model], run.seed, names, link.fingerprint, "with its head"])
            folder = self.places.intermediate / f"{'+'.join(names)}-{run.seed}-{known[:8]}"
            encoder = self.run_tasks.submit(carry_on, link, training, development, encoder, folder, *self.machine)
        return encoder

    def submit_alignment(self, run: AlignmentRun) -> None:
        """Submit the measurements of each language pair and gold set, and the task that joins them."""
        encoder = self.encoder_of(run)
        measured = [
            self.run_tasks.submit(measure_alignment, run, encoder, number, *self.machine)
            for number in range(run.num_pairs + run.num_sets)
        ]
        self.measurements.update(measured)
        self.runs[self.run_tasks.submit(finish_alignment, run, self.places.of(run), *measured)] = run

    def training_of(self, planned: Planned, trains_on: Sequence[str], model: str, seed: int) -> tuple[Any, Any]:
        """The features of the training rows, and of the English development rows."""
        training = self.features_of(planned, "train", tuple(trains_on), model, seed)
        return training, self.features_of(planned, "dev", (ENGLISH,), model, seed)

    def features_of(self, planned: Planned, split: Split, codes: tuple[str, ...], model: str, seed: int) -> Any:
        """The features of a split, which are found, or submitted once: for all runs, or a seed that draws its rows."""
        key = (id(planned), split, codes, seed if planned.samples(split) else 0)  # two labelled files may have one name
        if key not in self.split_features:
            rows = planned.rows(split, codes, seed)
            stage = self.plan.features(planned, split, rows)
            if stage.fingerprint not in self.features:
                self.features[stage.fingerprint] = submit_features(
                    stage, self.features_tasks, self.store, rows, model, planned.task.name
                )
            self.split_features[key] = self.features[stage.fingerprint]
        return self.split_features[key]

    def rows_of(self, planned: Planned, code: str) -> Any:
        """The test rows of a language, shared by all runs."""
        key = (id(planned), code)
        if key not in self.test_rows:
            self.test_rows[key] = self.run_tasks.share(planned.tables["test", code])
        return self.test_rows[key]

    def records(self) -> Iterator[tuple[Run | AlignmentRun, dict[str, Any]]]:
        """The runs with their records, as they finish.

        Raises:
            UserError: raised in a task.
        """
        total = len(self.plan.runs) + len(self.measurements)
        bar = progress(range(total), "evaluation", total=total)
        bar.update(len(self.plan.runs) - len(self.left))
        for _, run, record in finished([self], bar):
            bar.write(f"{run.name}: done in {record['seconds']:.0f} s", file=None)
            yield run, record
        bar.close()


@dataclass(frozen=True)
class Places:
    """Where runs leave their results, and intermediate tasks their encoders: the folder of one evaluation."""

    folder: Path

    def of(self, run: Run | AlignmentRun) -> Path:
        """The folder of a run."""
        return self.folder

    @property
    def intermediate(self) -> Path:
        return self.folder / "intermediate"


def finished(
    submissions: Sequence[Submission], bar: Any
) -> Iterator[tuple[Submission, Run | AlignmentRun, dict[str, Any]]]:
    """The runs of several submissions with their records, as they finish, a step of the bar for every task.

    Raises:
        UserError: raised in a task.
    """
    import ray

    waiting = {reference: own for own in submissions for reference in (*own.runs, *own.measurements)}
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        bar.update()
        submission = waiting.pop(ready)
        if ready in submission.measurements:
            submission.measurements.remove(ready)
            continue
        run = submission.runs.pop(ready)
        yield submission, run, submission.run_tasks.get(ready)
