"""What the driver does when trials end, without Ray."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.search.test_trial import trials
from weam_ray.search.follow import Follow
from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, Ledger
from weam_ray.search.trial import STEPS, VALUE
from weam_ray.train import phases
from weam_ray.train.phases import Phase


@pytest.fixture
def followed(tmp_path: Path) -> tuple[Follow, Any]:
    """A search whose first trial runs, as the driver and as Tune have it."""
    ledger = Ledger(tmp_path, "f")
    follow = Follow(trials(tmp_path), ledger)
    trial = SimpleNamespace(config={"number": ledger.begin({"objective.lambda": 0.5}, set()).number})
    follow.on_trial_start(0, [], trial)
    return follow, trial


def test_a_stopped_trial_keeps_its_checkpoints_while_a_worker_writes_them(followed: tuple[Follow, Any]) -> None:
    follow, trial = followed
    folder = follow.trials.training(1, 0)
    (folder / "checkpoints").mkdir(parents=True)
    phases.begin(folder, Phase.CHECKPOINTS)
    follow.on_trial_result(1, [], trial, {STEPS: 5, VALUE: 0.1})
    follow.on_trial_complete(1, [], trial)
    assert follow.ledger.of(1).state == PRUNED
    assert folder.is_abandoned
    assert (folder / "checkpoints").is_dir()
    phases.begin(folder, None)
    follow.release()
    assert not (folder / "checkpoints").exists()


def test_a_trial_that_has_ended_stays_so_when_ending_its_process_fails(followed: tuple[Follow, Any]) -> None:
    """Tune then takes the trial for failed."""
    follow, trial = followed
    model = follow.trials.training(1, 0).model
    model.mkdir(parents=True)
    follow.on_trial_result(1, [], trial, {STEPS: 20, VALUE: 0.1})
    follow.on_trial_complete(1, [], trial)
    follow.on_trial_error(1, [], trial)
    follow.release()
    assert follow.ledger.of(1).state == COMPLETED
    assert model.is_dir()


def test_the_seconds_of_a_trial_outlive_a_kill(followed: tuple[Follow, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    follow, trial = followed
    monkeypatch.setattr("weam_ray.search.follow.free_reservations", lambda: None)
    follow.ledger.begun[1] -= 10
    follow.on_step_end(1, [])
    known = Ledger.read(follow.ledger.folder)
    assert known is not None
    assert known.of(1).seconds == pytest.approx(10, abs=5)
    follow.ledger.begun[1] -= 20
    follow.on_trial_result(1, [], trial, {STEPS: 20, VALUE: 0.1})
    follow.on_trial_complete(1, [], trial)
    assert follow.ledger.of(1).seconds == pytest.approx(30, abs=5)


def test_a_trial_whose_process_died(followed: tuple[Follow, Any]) -> None:
    follow, trial = followed
    trial.get_error = lambda: "Traceback\n  ...\nThe actor died.\n"
    follow.on_trial_error(1, [], trial)
    assert (follow.ledger.of(1).state, follow.ledger.of(1).message) == (FAILED, "The actor died.")
