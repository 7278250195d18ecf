"""What a study would do: its pre-trainings and cells, which of them are there, and how long the others will take."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from weam_ray.errors import EncoderUnavailable
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.run import languages_of_runs
from weam_ray.evaluate.tasks import task_of
from weam_ray.jobs.study_plan import StudyPlan, Training
from weam_ray.settings.study import NONE
from weam_ray.store.training_folder import RESULT
from weam_ray.study.cells import Matrix, is_trained
from weam_ray.study.systems import candidates_of, systems_of

UNKNOWN = "unknown, as none was measured here"


def preview(job: StudyPlan) -> None:
    """Print pre-trainings and cells, what of them is there, and an estimate of the time for the rest."""
    print(job.settings.to_yaml())
    base_folder, todo, models = None, [], {}
    base = job.base()
    if base is not None:
        folder = finished_folder(job, base)
        print(f"pre-training base: {'to do' if folder is None else f'done, {folder}'}")
        base_folder = None if folder is None else str(folder / "model")
        todo += [base] if folder is None else []
    known = base is None or base_folder is not None
    tried = job.settings.pretraining_rates
    for name, rates in tried.items():
        print(f"learning rates of {name}: {', '.join(f'{rate:g}' for rate in rates)} are tried with the first seed")
    todo += [
        Training(own.name, 1, job.configurations.of(own, 1, base_folder or "base"))
        for own in candidates_of(job.settings)
    ]
    for training in job.trainings(base_folder if known else "base"):
        folder = None
        if training.name in tried:
            print(f"pre-training {training.label}: after the choice of its learning rate")
            todo += [training] if training.seed > 1 else []
            continue
        try:
            folder = finished_folder(job, training) if known else None
        except EncoderUnavailable as error:
            print(f"note: {error}")
            known = False  # and is not looked for again
        print(f"pre-training {training.label}: {'to do' if folder is None else f'done, {folder}'}")
        if folder is None:
            todo.append(training)
        else:
            models[training.name, training.seed] = str(folder / "model")
    seconds = known_seconds(job.home.path)
    left: dict[str, int] = {}
    total = 0
    if known:
        matrix = Matrix(job.settings, job.home, job.encoders(base_folder, models))
        cells = matrix.cells()
        total = len(cells)
        for cell in cells:
            if cell.record() is None:
                name = cell.run.name.partition("-")[0]
                left[name] = left.get(name, 0) + 1
    missing = missing_encoders(job, models, known)
    for task, count in cells_of_encoders(job, missing).items():
        left[task] = left.get(task, 0) + count
        total += count
    for system in systems_of(job.settings):
        print(f"system {system.name}: {'the base encoder' if system.overrides is None else 'pre-trained'}")
    print(f"cells: {total - sum(left.values()):,} of {total:,} are done")
    for task, count in left.items():
        own = seconds.get(task)
        print(f"  {task}: {count:,} to do, {f'{np.mean(own):.0f} s each' if own else UNKNOWN}")
    print(f"time for all of it, one after another: {estimate(todo, left, seconds)}")
    print(f"folder {job.folder}")
    job.home.preview()


def finished_folder(job: StudyPlan, training: Training) -> Path | None:
    """The folder of a pre-training that is finished.

    Raises:
        EncoderUnavailable: the encoder cannot be had here.
    """
    folder = training.job(job.checkout).folder
    return folder.path if folder.finished else None


def missing_encoders(job: StudyPlan, models: dict[tuple[str, int], str], known: bool) -> list[int | None]:
    """The pre-training seeds of the encoders that are not there, one for each; None of the base encoder."""
    found: list[int | None] = []
    for system in systems_of(job.settings):
        if system.overrides is None:
            found += [] if known else [None]
            continue
        seeds = range(1, job.settings.pretraining_seeds + 1)
        found += [seed for seed in seeds if (system.name, seed) not in models]
    return found


def cells_of_encoders(job: StudyPlan, seeds: list[int | None]) -> dict[str, int]:
    """How many cells some encoders have that are not there yet, by task."""
    settings = job.settings
    matrix = Matrix(settings, job.home, [])
    found: dict[str, int] = defaultdict(int)
    root = None if settings.data_root is None else Path(settings.data_root)
    for seed in seeds:
        for name, chain in settings.intermediate.items():
            for setting in settings.settings:
                for rate, tasks in matrix.tasks_by_rate(setting).items():
                    own = matrix.evaluation("encoder", chain, setting, rate, tasks).own_tasks
                    for task in tasks:
                        tunings = len(matrix.fine_tuning_seeds(seed))
                        if not is_trained(task, settings):
                            found[task] += tunings if chain and name != NONE else 1
                            continue
                        data = TaskData.found(task_of(task, own, root), root)
                        tests = settings.evaluation.get("languages") or data.test_languages()
                        codes = list(dict.fromkeys([ENGLISH, *tests]))
                        found[task] += tunings * len(languages_of_runs(setting, codes))
    return dict(found)


def known_seconds(home: Path) -> dict[str, list[float]]:
    """The seconds of a home's cells by task, and of a step of its studies' pre-trainings under `pre-training`."""
    found: dict[str, list[float]] = defaultdict(list)
    for file in (home / "cells").glob("*/runs/*.json"):
        record = json.loads(file.read_text(encoding="utf-8"))
        found[record["task"]].append(record["seconds"])
    for file in (home / "runs").glob(f"study-*/{RESULT}"):
        result = json.loads(file.read_text(encoding="utf-8"))
        found["pre-training"] += [result["seconds"] / max(1, result["steps"])] if result.get("steps") else []
    return found


def estimate(trainings: list[Training], cells: dict[str, int], seconds: dict[str, list[float]]) -> str:
    """Hours and minutes for what is left, by the mean of what was measured in this home."""
    parts = list(terms(trainings, cells, seconds))
    if any(part is None for part in parts):
        return UNKNOWN
    total = sum(part for part in parts if part is not None)
    return f"{total / 3600:.1f} h" if total >= 3600 else f"{total / 60:.0f} min"


def terms(trainings: list[Training], cells: dict[str, int], seconds: dict[str, list[float]]) -> Iterator[float | None]:
    """The seconds of each kind of work that is left; None where none of the kind was measured."""
    steps = sum(training.config.training.max_steps for training in trainings)
    if steps:
        own = seconds.get("pre-training")
        yield steps * float(np.mean(own)) if own else None
    for task, count in cells.items():
        own = seconds.get(task)
        yield count * float(np.mean(own)) if own else None
