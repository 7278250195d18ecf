"""What a study would do: its pre-trainings and cells, which of them are there, and how long the others will take."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from weam_ray.errors import EncoderUnavailable
from weam_ray.evaluate.run import languages_of_runs
from weam_ray.jobs.study_plan import StudyPlan, Training
from weam_ray.settings.study import NONE
from weam_ray.store.training_folder import RESULT
from weam_ray.study.cells import Matrix, is_trained
from weam_ray.study.coverage import languages_of_tasks
from weam_ray.study.systems import BASE, candidates_of, systems_of

UNKNOWN = "unknown, as none was measured here"


@dataclass
class Trainings:
    """The pre-trainings of a study: the folders of those that are there, and what is left, each once."""

    job: StudyPlan
    base: str | None = None  # the folder of the base encoder; None where it is not there, or the study trains none
    known: bool = True  # whether the encoder that systems begin from is there, and so their folders can be told
    left: dict[str, Training] = field(default_factory=dict)  # by configuration, which several systems may share
    models: dict[tuple[str, int], str] = field(default_factory=dict)

    @classmethod
    def of(cls, job: StudyPlan) -> Self:
        """Look for all of them, and print what is there."""
        found = cls(job)
        base = job.base()
        if base is not None:
            folder = found.look_for(base)
            found.base = None if folder is None else str(folder / "model")
            found.known = folder is not None
        tried = job.settings.pretraining_rates
        for name, rates in tried.items():
            print(f"learning rates of {name}: {', '.join(f'{rate:g}' for rate in rates)} are tried with the first seed")
        begin = found.base or (None if base is None else BASE)
        for own in candidates_of(job.settings):
            found.look_for(Training(own.name, 1, job.configurations.of(own, 1, begin)))
        for training in job.trainings(begin):
            if training.name in tried:
                print(f"pre-training {training.label}: after the choice of its learning rate")
                if training.seed > 1:
                    found.leave(training)
                continue
            folder = found.look_for(training)
            if folder is not None:
                found.models[training.name, training.seed] = str(folder / "model")
        return found

    def look_for(self, training: Training) -> Path | None:
        """The folder of a pre-training that is finished; else it is left to do."""
        folder = None
        try:
            own = training.job(self.job.checkout).folder if self.known else None
            folder = own.path if own is not None and own.finished else None
        except EncoderUnavailable as error:
            print(f"note: {error}")
            self.known = False  # and is not looked for again
        print(f"pre-training {training.label}: {'to do' if folder is None else f'done, {folder}'}")
        if folder is None:
            self.leave(training)
        return folder

    def leave(self, training: Training) -> None:
        self.left.setdefault(training.config.to_yaml(), training)


def preview(job: StudyPlan) -> None:
    """Print pre-trainings and cells, what of them is there, and an estimate of the time for the rest."""
    print(job.settings.to_yaml())
    trainings = Trainings.of(job)
    left: dict[str, int] = defaultdict(int)
    total = 0
    if trainings.known:
        matrix = Matrix(job.settings, job.home, job.encoders(trainings.base, trainings.models))
        cells = {cell.run.fingerprint: cell for cell in matrix.cells()}
        total = len(cells)
        for cell in cells.values():
            if cell.record() is None:
                left[cell.run.name.partition("-")[0]] += 1
    for task, count in cells_of_encoders(job, missing_encoders(job, trainings)).items():
        left[task] += count
        total += count
    for system in systems_of(job.settings):
        print(f"system {system.name}: {'the base encoder' if system.overrides is None else 'pre-trained'}")
    print(f"cells: {total - sum(left.values()):,} of {total:,} are done")
    seconds = known_seconds(job.home.path)
    for task, count in left.items():
        own = seconds.get(task)
        print(f"  {task}: {count:,} to do, {f'{np.mean(own):.0f} s each' if own else UNKNOWN}")
    print(f"time for all of it, one after another: {estimate(list(trainings.left.values()), left, seconds)}")
    print(f"folder {job.folder}")
    job.home.preview()


def missing_encoders(job: StudyPlan, trainings: Trainings) -> list[int | None]:
    """The pre-training seeds of the encoders that are not there, one for each; None of the base encoder.

    Systems of one configuration are one encoder.
    """
    found: dict[tuple[str, int], int | None] = {}
    for system in systems_of(job.settings):
        if system.overrides is None:
            if not trainings.known:
                found[BASE, 0] = None
            continue
        for seed in range(1, job.settings.pretraining_seeds + 1):
            if (system.name, seed) not in trainings.models:
                found[json.dumps(system.overrides, sort_keys=True), seed] = seed
    return list(found.values())


def cells_of_encoders(job: StudyPlan, seeds: list[int | None]) -> dict[str, int]:
    """How many cells some encoders have that are not there yet, by task."""
    settings = job.settings
    matrix = Matrix(settings, job.home, [])
    found: dict[str, int] = defaultdict(int)
    languages = languages_of_tasks(matrix) if seeds else {}
    for seed in seeds:
        for name, chain in settings.intermediate.items():
            for setting in settings.settings:
                for tasks in matrix.tasks_by_rate(setting).values():
                    for task in tasks:
                        tunings = len(matrix.fine_tuning_seeds(seed))
                        if not is_trained(task, settings):
                            found[task] += tunings if chain and name != NONE else 1
                            continue
                        found[task] += tunings * len(languages_of_runs(setting, languages[task]))
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


def estimate(trainings: Sequence[Training], cells: Mapping[str, int], seconds: Mapping[str, list[float]]) -> str:
    """Hours and minutes for what is left, by the mean of what was measured in this home."""
    parts = list(terms(trainings, cells, seconds))
    if any(part is None for part in parts):
        return UNKNOWN
    total = sum(part for part in parts if part is not None)
    return f"{total / 3600:.1f} h" if total >= 3600 else f"{total / 60:.0f} min"


def terms(
    trainings: Sequence[Training], cells: Mapping[str, int], seconds: Mapping[str, list[float]]
) -> Iterator[float | None]:
    """The seconds of each kind of work that is left; None where none of the kind was measured."""
    steps = sum(training.config.training.max_steps for training in trainings)
    if steps:
        own = seconds.get("pre-training")
        yield steps * float(np.mean(own)) if own else None
    for task, count in cells.items():
        own = seconds.get(task)
        yield count * float(np.mean(own)) if own else None
