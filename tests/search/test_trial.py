"""A trial without Ray: what its files report, and how it is ended."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import wait_until
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Choice, Space
from weam_ray.search.trial import FAILURE, STEPS, VALUE, TrialActor, Trials
from weam_ray.settings.config import load_config
from weam_ray.store.home import Home
from weam_ray.train import phases
from weam_ray.train.phases import Phase

SPACE = Space.of({"objective.lambda": Choice(values=[0.5, 1.0])})


def trials(folder: Path, kind: type[Trials] = Trials) -> Trials:
    """Of two trainings of ten steps each."""
    config = load_config("bundled", [f"home={folder}"])
    return kind(config, SPACE, Home.of(config, folder), folder, Rungs(10, 2, 5, 2))


def train_to(own: Trials, seed: int, values: dict[int, float], model: bool) -> None:
    """What a training leaves that was measured after some steps."""
    folder = own.training(1, seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"step": step, "value": value, "figures": {}}) for step, value in values.items()]
    folder.held_out.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    if model:
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}", encoding="utf-8")


def test_reports_are_means_over_the_trainings_that_have_begun(tmp_path: Path) -> None:
    own = trials(tmp_path)
    assert list(own.reports(1)) == []
    train_to(own, 0, {5: 0.2, 10: 0.4}, model=False)
    assert list(own.reports(1)) == [(5, 0.2)]  # the end counts when the model is there
    train_to(own, 0, {5: 0.2, 10: 0.4}, model=True)
    train_to(own, 1, {5: 0.6}, model=False)
    assert list(own.reports(1)) == [(5, 0.2), (10, 0.4), (15, 0.5)]
    train_to(own, 1, {5: 0.6, 10: 0.8}, model=True)
    assert list(own.reports(1)) == [(5, 0.2), (10, 0.4), (15, 0.5), (20, pytest.approx(0.6))]


def test_trainings_differ_in_their_seeds_alone(tmp_path: Path) -> None:
    own = trials(tmp_path)
    first, second = (own.configured({"objective.lambda": 0.5}, seed) for seed in (0, 1))
    assert first.objective.lambda_ == 0.5
    assert vars(second.seeds) == {name: value + 1000 for name, value in vars(first.seeds).items()}
    assert second.model_copy(update={"seeds": first.seeds}) == first


class Forgetful(Trials):
    """Its training deletes the first wish to end, as one does that has just begun; then it heeds it."""

    def train(self, number: int, values: dict[str, Any], stopped: threading.Event) -> None:
        folder = self.training(number, 1)
        folder.mkdir(parents=True)
        for _ in range(2):
            wait_until(lambda: folder.is_to_stop, 30)
            assert folder.is_abandoned
            folder.prepare()


class Failing(Trials):
    def train(self, number: int, values: dict[str, Any], stopped: threading.Event) -> None:
        raise ValueError("lambda is\ntoo large")


def actor(own: Trials, steps: int = 0) -> TrialActor:
    made: TrialActor = TrialActor.__new__(TrialActor)
    made.setup({"number": 1, "values": {"objective.lambda": 0.5}, "steps": steps}, own)
    return made


def test_a_training_that_just_begins_is_asked_to_end_again(tmp_path: Path) -> None:
    own = actor(trials(tmp_path, Forgetful))
    own.begin()
    wait_until(own.trials.training(1, 1).path.is_dir, 30)
    own.cleanup()
    assert not own.thread.is_alive()
    assert own.error is None


def test_a_process_goes_on_as_another_trial(tmp_path: Path) -> None:
    """When the training of the one before has ended, which was stopped; its reports are not taken for the other's."""
    own = actor(trials(tmp_path, Forgetful), steps=10)
    own.begin()
    wait_until(own.trials.training(1, 1).path.is_dir, 30)
    before = own.thread
    assert own.reset_config({"number": 2, "values": {"objective.lambda": 0.25}, "steps": 0})
    assert not before.is_alive()
    assert (own.number, own.reported, own.stopped.is_set()) == (2, 0, False)
    own.begin()
    wait_until(own.trials.training(2, 1).path.is_dir, 30)
    assert own.thread.is_alive()
    own.cleanup()
    assert not own.thread.is_alive()


def test_a_process_that_was_not_asked_for_a_step_leaves_the_trial_alone(tmp_path: Path) -> None:
    """Tune has given the trial to another process, which may have begun."""
    own = actor(trials(tmp_path, Forgetful))
    own.trials.training(1, 0).path.mkdir(parents=True)
    own.cleanup()
    assert list(own.trials.training(1, 0).path.iterdir()) == []


def test_a_trial_is_at_rest_when_each_of_its_trainings_has_ended(tmp_path: Path) -> None:
    own = trials(tmp_path)
    assert own.at_rest(1)
    for seed in (0, 1):
        own.training(1, seed).path.mkdir(parents=True)
        for phase in (Phase.WORKERS, Phase.CHECKPOINTS, None):
            phases.begin(own.training(1, seed), phase)
            assert own.at_rest(1) == (phase is None)


def test_a_failure_leaves_its_message(tmp_path: Path) -> None:
    own = actor(trials(tmp_path, Failing))
    with pytest.raises(ValueError, match="too large"):
        own.step()
    assert (own.trials.place(1) / FAILURE).read_text(encoding="utf-8") == "lambda is too large"


class Done(Trials):
    def train(self, number: int, values: dict[str, Any], stopped: threading.Event) -> None:
        for seed in (0, 1):
            train_to(self, seed, {5: 0.2, 10: 0.4}, model=True)


@pytest.mark.parametrize(("known", "expected"), [(0, [5, 10, 15, 20]), (10, [15, 20]), (20, [20])])
def test_reports_of_earlier_sessions_do_not_come_again(tmp_path: Path, known: int, expected: list[int]) -> None:
    own = actor(trials(tmp_path, Done), known)
    own.begin()
    own.thread.join(30)
    results = [own.step() for _ in expected]
    assert [result[STEPS] for result in results] == expected
    assert [result["done"] for result in results] == [step == 20 for step in expected]
    assert results[-1][VALUE] == pytest.approx(0.4)
