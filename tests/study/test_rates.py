"""The choice of learning rates of pre-training, on English development data."""

from typing import Any

import pytest

from tests.support.studies import row, settings_tree
from weam_ray.errors import UserError
from weam_ray.settings.parsing import validated
from weam_ray.settings.study import StudySettings
from weam_ray.study.rates import choose, settings_of_trial
from weam_ray.study.systems import candidates_of, with_rates


def settings(**more: Any) -> StudySettings:
    return validated(StudySettings, settings_tree(**more))


RATES = {"weam": [1e-4, 3e-4], "tlm": [1e-3]}


def test_the_part_of_a_study_that_chooses() -> None:
    own = settings(
        evaluation={"tasks": ["sib200", "udpos", "tatoeba", "alignment"]},
        settings=["zero-shot", "translate-train"],
        tasks_of_settings={"translate-train": ["sib200"]},
        intermediate={"none": [], "generic": ["xnli"]},
        learning_rates={"sib200": [1e-5, 3e-5]},
        pretraining_rates=RATES,
        pretraining_seeds=5,
    )
    found = settings_of_trial(own)
    assert (found.tasks, found.settings, found.intermediate) == (["sib200", "udpos"], ["zero-shot"], {"none": []})
    assert (found.pretraining_seeds, found.finetuning_seeds) == (1, own.finetuning_seeds)


def test_the_best_mean_over_tasks_is_chosen() -> None:
    own = candidates_of(settings(pretraining_rates=RATES))
    assert [candidate.name for candidate in own] == ["weam@0.0001", "weam@0.0003", "tlm@0.001"]
    scores = {"weam@0.0001": (50.0, 80.0), "weam@0.0003": (60.0, 71.0), "tlm@0.001": (10.0, 10.0)}
    rows = [
        row(name, 99 - score, name, 1, task=task, development=score)
        for name, both in scores.items()
        for task, score in zip(("sib200", "udpos"), both, strict=True)
    ]
    rows.append(row("weam@0.0003", 0.0, "x", 1, development=100.0, chosen=False))  # another rate of fine-tuning
    found = choose(own, rows)
    assert [(tried.system, tried.rate, tried.development, tried.chosen) for tried in found] == [
        ("weam", 1e-4, 65.0, False),
        ("weam", 3e-4, 65.5, True),
        ("tlm", 1e-3, 10.0, True),
    ]


def test_the_study_with_what_was_chosen() -> None:
    found = with_rates(settings(pretraining_rates=RATES), {"weam": 3e-4})
    assert found.systems["weam"] == {"objective.name": "weam", "optimizer.learning_rate": 3e-4}
    assert (found.systems["tlm"], found.systems["plain"]) == ({"objective.name": "tlm"}, None)
    assert not found.pretraining_rates


def test_only_of_systems_that_are_trained() -> None:
    with pytest.raises(UserError, match=r"pretraining_rates\.plain: this is no system that is trained"):
        settings(pretraining_rates={"plain": [1e-4]})
