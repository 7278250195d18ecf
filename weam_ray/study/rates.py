"""The learning rates of pre-training that the systems of a study take, chosen on English development data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weam_ray.settings.study import NONE, StudySettings
from weam_ray.study.cells import is_trained
from weam_ray.study.systems import System


@dataclass(frozen=True)
class Tried:
    """A learning rate that a system was tried with, and its mean score on English development data, in percent."""

    system: str
    rate: float
    development: float
    chosen: bool


def settings_of_trial(settings: StudySettings) -> StudySettings:
    """The part of a study that learning rates are chosen by: one seed, no intermediate training, the first setting, and
    the tasks that train.
    """
    tasks = settings.tasks_of_settings.get(settings.settings[0]) or settings.tasks
    trained = [task for task in tasks if is_trained(task, settings)]
    changes = {
        "pretraining_seeds": 1,
        "intermediate": {NONE: []},
        "settings": settings.settings[:1],
        "tasks_of_settings": {},
        "learning_rates": {task: rates for task, rates in settings.learning_rates.items() if task in trained},
        "evaluation": {**settings.evaluation, "tasks": trained},
    }
    return settings.model_copy(update=changes)


def choose(candidates: Mapping[System, float], rows: Sequence[Mapping[str, Any]]) -> list[Tried]:
    """The learning rates with their scores, of each system the best one chosen; of equals the first.

    Args:
        rows: the scores of the candidates, as the table of a study has them.
    """
    scores: dict[System, float] = {}
    for candidate in candidates:
        by_task: dict[str, list[float]] = {}
        for row in rows:
            if row["system"] == candidate.name and row["chosen"] and row["development"] is not None:
                by_task.setdefault(row["task"], []).append(row["development"])
        scores[candidate] = float(np.mean([np.mean(own) for own in by_task.values()]))
    found = []
    for candidate, rate in candidates.items():
        best = max((own for own in candidates if own.of == candidate.of), key=lambda own: scores[own])
        found.append(Tried(candidate.of, rate, scores[candidate], candidate is best))
    return found
