"""The cells of a study: every fine-tuning and measurement of its encoders, each in a folder named by its fingerprint.

A cell is a run of an evaluation. Its folder is named by all that can change its result, so that a study, and every
later one, computes it once.
"""

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.evaluate.majority import Majorities, chance_of_pairs
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.run import ALIGNMENT, AlignmentRun, Run
from weam_ray.evaluate.submit import Places
from weam_ray.evaluate.tasks import TASKS
from weam_ray.evaluate.tasks.base import Task
from weam_ray.measure.by_layer import METRICS
from weam_ray.model.encoder import encoder_fingerprint
from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.evaluation import EvaluationSettings, Setting
from weam_ray.settings.parsing import validated
from weam_ray.settings.study import StudySettings
from weam_ray.store.files import SourceHashes
from weam_ray.store.home import Home
from weam_ray.store.training_folder import CONFIG
from weam_ray.study.systems import System

OF_THE_MATRIX = {  # keys of an evaluation, and where a study says them
    "models": "systems",
    "system": "systems",
    "setting": "settings",
    "intermediate": "intermediate",
    "num_seeds": "finetuning_seeds",
    "first_seed": "finetuning_seeds",
    "output": "output.dir",
    "home": "home",
    "stages": "stages",
    "data_root": "data_root",
    "tracking": "tracking",
    "cluster": "cluster",
}


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder of a study, by its folder or name; `seed` is None for one that the study does not train."""

    system: System
    seed: int | None
    model: str


class CellPlaces(Places):
    """The folders of cells, under that of all studies of a home."""

    def of(self, run: Run | AlignmentRun) -> Path:
        return self.folder / run.fingerprint


def places_of(home: Home) -> CellPlaces:
    """Where the cells of all studies of a home are."""
    return CellPlaces(home.path / "cells")


class CellsPlan(EvaluationPlan):
    """The evaluation of several encoders, each with fine-tuning seeds of its own, after one intermediate training."""

    def __init__(
        self,
        settings: EvaluationSettings,
        hashes: SourceHashes,
        seeds: Mapping[str, Sequence[int]],
        intermediate: str,
        learning_rate: float | None,
    ) -> None:
        """Find the data and check them.

        Args:
            seeds: the fine-tuning seeds of each encoder.
            learning_rate: the one of a grid that these cells have; None where there is no grid.

        Raises:
            UserError: as of any evaluation.
        """
        self.seeds, self.intermediate, self.learning_rate = seeds, intermediate, learning_rate
        super().__init__(settings.model_copy(update={"models": list(seeds)}), hashes)

    def fine_tunings(self) -> Iterator[tuple[int, str]]:
        yield from ((seed, model) for model, own in self.seeds.items() for seed in own)

    def task(self, name: str) -> Task:
        return next(planned.task for planned in self.tasks if planned.task.name == name)


@dataclass(frozen=True)
class Cell:
    """A run with its plan, and its folder."""

    plan: CellsPlan
    run: Run | AlignmentRun
    folder: Path

    def record(self) -> dict[str, Any] | None:
        """What the run left when it was finished; None where it is not."""
        return self.run.record(self.folder)


@dataclass
class Matrix:
    """All that a study evaluates, with its encoders known; plans say what they do once, in `said`."""

    settings: StudySettings
    home: Home
    encoders: Sequence[Encoder]
    said: list[str] = field(default_factory=list)

    def cells(self) -> list[Cell]:
        """The cells of all plans; those of one fingerprint are one folder, which several plans may have.

        Raises:
            UserError: as of any evaluation.
        """
        places = places_of(self.home)
        return [Cell(plan, run, places.of(run)) for plan in self.plans() for run in plan.runs]

    def plans(self) -> Iterator[CellsPlan]:
        """An evaluation for each intermediate training, setting, learning rate, and tokenizer.

        Raises:
            UserError: as of any evaluation.
        """
        hashes = self.home.source_hashes()
        by_tokenizer: dict[str, list[Encoder]] = {}
        for encoder in self.encoders:
            known = encoder_fingerprint(EncoderSection(name=encoder.model), hashes, True)
            by_tokenizer.setdefault(known, []).append(encoder)
        for name, chain in self.settings.intermediate.items():
            for setting in self.settings.settings:
                for rate, tasks in self.tasks_by_rate(setting).items():
                    for encoders in by_tokenizer.values():
                        settings = self.evaluation(encoders[0].model, chain, setting, rate, tasks)
                        seeds: dict[str, list[int]] = {}
                        for encoder in encoders:
                            own = seeds.setdefault(encoder.model, [])
                            own += [seed for seed in self.fine_tuning_seeds(encoder.seed) if seed not in own]
                        said = io.StringIO()
                        with redirect_stdout(said):
                            plan = CellsPlan(settings, hashes, seeds, name, rate)
                        self.say(said.getvalue())
                        yield plan

    def say(self, text: str) -> None:
        """Print lines that were not printed yet; of those that are of each encoder, the first."""
        for line in text.splitlines():
            known = line
            for encoder in self.encoders:
                known = known.replace(encoder.model, "")
            if known not in self.said:
                self.said.append(known)
                print(line)

    def tasks_by_rate(self, setting: Setting) -> dict[float | None, list[str]]:
        """The tasks of a setting by the learning rates that they are tried with; those without a grid under None.

        What trains nothing is measured in the first setting alone.
        """
        settings = self.settings
        own = settings.tasks_of_settings.get(setting) or settings.tasks
        found: dict[float | None, list[str]] = {}
        for task in own:
            if setting != settings.settings[0] and not is_trained(task, settings):
                continue
            rates: Sequence[float | None] = settings.learning_rates.get(task) or (None,)
            for rate in rates:
                found.setdefault(rate, []).append(task)
        return found

    def evaluation(
        self, model: str, chain: Sequence[str], setting: Setting, rate: float | None, tasks: Sequence[str]
    ) -> EvaluationSettings:
        """The settings of one of the evaluations.

        Raises:
            UserError: a key of `evaluation` that the study says elsewhere, is unknown or has a wrong value.
        """
        settings, given = self.settings, self.settings.evaluation
        for key in given:
            if key in OF_THE_MATRIX:
                raise UserError(f"evaluation.{key}: in a study this is said by {OF_THE_MATRIX[key]}.")
        recipes = {task: dict(own) for task, own in (given.get("recipes") or {}).items()}
        if rate is not None:
            for task in tasks:
                recipes[task] = {**recipes.get(task, {}), "learning_rate": rate}
        tree = {
            "held_out": self.held_out(),
            **given,
            "tasks": list(tasks),
            "recipes": recipes,
            "system": settings.name,
            "models": [model],
            "setting": setting,
            "intermediate": list(chain),
            "num_seeds": 1,
            "output": str(places_of(self.home).folder),
            "home": settings.home,
            "stages": settings.stages,
            "data_root": settings.data_root,
        }
        try:
            return validated(EvaluationSettings, tree)
        except UserError as error:
            raise UserError(f"evaluation: {error}") from None

    def held_out(self) -> str | None:
        """The run whose held-out pairs measure the alignment of all encoders alike; None where none is from a run."""
        folders = (Path(encoder.model).parent for encoder in self.encoders)
        return next((str(folder) for folder in folders if (folder / CONFIG).is_file()), None)

    def fine_tuning_seeds(self, pretraining_seed: int | None) -> list[int]:
        """The fine-tuning seeds of an encoder: nested in those of pre-training; a given encoder has those of all."""
        count = self.settings.finetuning_seeds
        if pretraining_seed is None:
            return list(range(1, self.settings.pretraining_seeds * count + 1))
        return list(range((pretraining_seed - 1) * count + 1, pretraining_seed * count + 1))

    def rows(
        self, cells: Sequence[Cell], reused: Collection[str], majority: Mapping[CellsPlan, Majorities]
    ) -> list[dict[str, Any]]:
        """The rows of the table: each score of each cell, for every system that has its encoder.

        Args:
            reused: the fingerprints of cells that an earlier session or study had.
            majority: what the scores of each plan are to be above.
        """
        found: list[dict[str, Any]] = []
        for encoder in self.encoders:
            for cell in cells:
                if self.is_of(cell, encoder):
                    found += rows_of(cell, encoder, cell.run.fingerprint in reused, majority[cell.plan])
        mark_chosen(found)
        systems = list(dict.fromkeys(encoder.system.name for encoder in self.encoders))
        orders = (systems, list(self.settings.intermediate), self.settings.settings)
        return sorted(
            found,
            key=lambda row: (
                orders[0].index(row["system"]),
                orders[1].index(row["intermediate"]),
                orders[2].index(row["setting"]),
            ),
        )

    def is_of(self, cell: Cell, encoder: Encoder) -> bool:
        """Whether a cell is of an encoder, or of a copy of it where nothing is trained."""
        plan, run = cell.plan, cell.run
        if encoder.model not in plan.weights:
            return False
        if (isinstance(run, Run) and plan.task(run.task).trained) or plan.chain:
            return run.model == encoder.model and run.seed in self.fine_tuning_seeds(encoder.seed)
        return plan.weights[run.model] == plan.weights[encoder.model]


def rows_of(cell: Cell, encoder: Encoder, reused: bool, majority: Majorities) -> Iterator[dict[str, Any]]:
    """The rows of a cell for an encoder."""
    record, plan, run = cell.record(), cell.plan, cell.run
    if record is None:
        return
    trained = isinstance(run, Run) and plan.task(run.task).trained
    if isinstance(run, AlignmentRun):
        majority = majority | chance_of_pairs(cell.folder, [record])
        parts = [(part["task"], METRICS[part["task"]], part["scores"]) for part in record["parts"]]
    else:
        parts = [(run.task, plan.task(run.task).metric, record["scores"])]
    development = [value for entry in record.get("history", ()) for key, value in entry.items() if key != "epoch"]
    for task, metric, scores in parts:
        for code, figures in scores.items():
            floor = majority.get(task, {}).get(code)
            yield {
                "system": encoder.system.name,
                "share": encoder.system.share,
                "intermediate": plan.intermediate,
                "setting": plan.settings.setting,
                "task": task,
                "language": code,
                "pretraining_seed": encoder.seed,
                "finetuning_seed": run.seed if trained or plan.chain else None,
                "metric": metric,
                "value": figures[metric],
                "majority": None if floor is None else floor.figure,
                "learning_rate": run.recipe.learning_rate if trained and isinstance(run, Run) else None,
                "development": max(development, default=None),
                "chosen": True,
                "weights": plan.weights[encoder.model],
                "folder": str(cell.folder),
                "seconds": record["seconds"],
                "reused": reused,
            }


def mark_chosen(rows: Sequence[dict[str, Any]]) -> None:
    """Of several learning rates leave the one chosen that is best on English development data, as the mean over the
    seeds of a system; of equals the first.
    """
    groups: dict[tuple[str, str, str, str], dict[float, list[float]]] = {}
    for row in rows:
        if row["development"] is not None:
            key = (row["system"], row["intermediate"], row["setting"], row["task"])
            groups.setdefault(key, {}).setdefault(row["learning_rate"], []).append(row["development"])
    best = {key: best_mean(rates) for key, rates in groups.items()}
    for row in rows:
        key = (row["system"], row["intermediate"], row["setting"], row["task"])
        row["chosen"] = key not in best or row["learning_rate"] == best[key]


def best_mean(scores: Mapping[float, Sequence[float]]) -> float:
    """The key whose scores have the highest mean; of equals the first."""
    means = {key: sum(own) / len(own) for key, own in scores.items()}
    return max(means, key=means.__getitem__)


def is_trained(task: str, settings: StudySettings) -> bool:
    """Whether a task trains; one that is not known is said to, and is refused where it is looked for."""
    own = settings.evaluation.get("own_tasks") or {}
    return task != ALIGNMENT and (task in own or task not in TASKS or TASKS[task].trained)


def tasks_of(plan: CellsPlan) -> list[str]:
    """The tasks of a plan, alignment by its parts."""
    return tasks_named(ALIGNMENT if isinstance(run, AlignmentRun) else run.task for run in plan.runs)


def tasks_named(tasks: Iterable[str]) -> list[str]:
    """Tasks, each once, alignment by its parts."""
    return list(dict.fromkeys(name for task in tasks for name in (METRICS if task == ALIGNMENT else [task])))
