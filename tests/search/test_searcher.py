"""What Tune is told: choices that depend on the ledger alone, and rungs that know earlier sessions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, RUNNING, Ledger, Trial
from weam_ray.search.rungs import Rungs
from weam_ray.search.searcher import LedgerSearch, distribution, optuna_trial, scheduler
from weam_ray.search.space import Choice, LogUniform, Space, Uniform, Whole
from weam_ray.search.trial import STEPS, VALUE
from weam_ray.settings.search import SearchSection

SPACE = Space.of(
    {"objective.lambda": LogUniform(low=0.1, high=10), "encode.subword_mapping": Choice(values=["a", "b"])}
)
RUNGS = Rungs(100, 1, 25, 2)


def values(lambda_: float, mapping: str = "a") -> dict[str, Any]:
    return {"objective.lambda": lambda_, "encode.subword_mapping": mapping}


def ledger(place: Path, *trials: Trial) -> Ledger:
    return Ledger(place, "f", trials=list(trials))


def search(own: Ledger, **settings: Any) -> LedgerSearch:
    return LedgerSearch(SPACE, own, SearchSection(**settings), RUNGS)


def test_a_choice_is_in_the_ledger_before_it_is_run(tmp_path: Path) -> None:
    own = ledger(tmp_path)
    first = search(own).suggest("t1")
    assert first is not None
    written = Ledger.read(tmp_path)
    assert written is not None
    assert (written.trials[0].number, written.trials[0].values) == (1, first["values"])
    assert 0.1 <= first["values"]["objective.lambda"] <= 10


@pytest.mark.parametrize("algorithm", ["tpe", "random"])
def test_choices_follow_from_seed_and_history(tmp_path: Path, algorithm: str) -> None:
    history = [Trial(n, values(0.1 * n), COMPLETED, [(100, n / 10)]) for n in range(1, 6)]

    def chosen(seed: int, *trials: Trial) -> Any:
        found = search(ledger(tmp_path, *trials), algorithm=algorithm, seed=seed).suggest("t")
        return found and found["values"]

    assert chosen(1, *history) == chosen(1, *history)
    assert chosen(1, *history) != chosen(2, *history)
    assert chosen(1, *history) != chosen(1, *history[:4])


@pytest.mark.parametrize("equal", [True, False])
def test_a_search_that_was_stopped_chooses_as_one_that_was_not(tmp_path: Path, equal: bool) -> None:
    """Trials of equal values rank by their order, which is that of the ledger, whatever had ended at the stop."""
    value = {number: 1.0 if equal else number / 10 for number in range(1, 9)}

    def going_on(own: Ledger, last: int) -> LedgerSearch:
        searcher = search(own, seed=3, num_trials=9)
        while (given := searcher.suggest(f"t{len(searcher.numbers)}")) is not None and given["number"] <= last:
            trial = own.of(given["number"])
            trial.reports.append((100, value[trial.number]))
            trial.state = COMPLETED
            searcher.on_trial_complete(f"t{len(searcher.numbers) - 1}", {VALUE: value[trial.number], STEPS: 100})
        return searcher

    whole = ledger(tmp_path / "whole")
    going_on(whole, 8)
    for stop in range(1, 9):
        broken = ledger(tmp_path / f"{stop}", *(Trial(t.number, t.values, t.state, t.reports) for t in whole.trials))
        broken.trials[stop - 1 :] = [Trial(stop, whole.trials[stop - 1].values, RUNNING)]
        going_on(broken, 8)
        assert [trial.values for trial in broken.trials] == [trial.values for trial in whole.trials]


def test_unfinished_trials_come_first_under_their_numbers(tmp_path: Path) -> None:
    own = ledger(
        tmp_path,
        Trial(1, values(0.2), COMPLETED, [(100, 0.5)]),
        Trial(2, values(0.3), RUNNING, [(25, 0.4)]),
        Trial(3, values(0.3), RUNNING),
    )
    searcher = search(own)
    given = [searcher.suggest(name) for name in ("a", "b", "c")]
    assert [entry and entry["number"] for entry in given] == [2, 3, 4]
    assert given[0] is not None
    assert given[0]["values"] == values(0.3)


def test_a_grid_goes_on_where_it_was(tmp_path: Path) -> None:
    points = list(SPACE.grid())
    own = ledger(tmp_path, Trial(1, points[0], FAILED), Trial(2, points[1], COMPLETED, [(100, 0.5)]))
    searcher = search(own, algorithm="grid", num_trials=6)
    found = [searcher.suggest(name) for name in "abcd"]
    assert [entry and entry["values"] for entry in found] == points[2:]


def test_a_stopped_trial_is_pruned_for_optuna(tmp_path: Path) -> None:
    searcher = search(ledger(tmp_path))
    for name, steps, error in (("a", 25, False), ("b", 100, False), ("c", 25, True)):
        searcher.suggest(name)
        result = {STEPS: steps, VALUE: 0.5, "training_iteration": 1}
        if error:  # of a result that ends a trial, Tune tells the scheduler alone
            searcher.on_trial_result(name, result)
        searcher.on_trial_complete(name, result, error)
    pruned, *others = searcher.study.trials
    assert [trial.state.name for trial in others] == ["COMPLETE", "FAIL"]
    own = optuna_trial(Trial(1, pruned.params, PRUNED, [(25, 0.5)]), SPACE)  # as a later session has it
    assert (pruned.state, pruned.value, pruned.intermediate_values) == (own.state, own.value, own.intermediate_values)


def result_of(steps: int, value: float) -> dict[str, Any]:
    return {STEPS: steps, VALUE: value}


@pytest.mark.parametrize(("metric", "good", "bad"), [("retrieval", 0.9, 0.1), ("held_out_loss", 0.1, 0.9)])
def test_rungs_know_earlier_sessions(tmp_path: Path, metric: str, good: float, bad: float) -> None:
    own = ledger(
        tmp_path,
        Trial(1, values(0.2), COMPLETED, [(25, 0.5), (50, 0.5), (100, 0.5)]),
        Trial(2, values(0.3), PRUNED, [(25, 0.4 if metric == "retrieval" else 0.6)]),
    )
    halving, _ = scheduler(SearchSection(metric=metric), own, RUNGS)
    actions = []
    for name, value in (("x", bad), ("y", good)):
        trial: Any = SimpleNamespace(trial_id=name)
        halving.on_trial_add(None, trial)
        actions.append(halving.on_trial_result(None, trial, result_of(25, value)))
    assert actions == [TrialScheduler.STOP, TrialScheduler.CONTINUE]


def test_a_trial_that_went_on_is_not_judged_twice_at_a_rung(tmp_path: Path) -> None:
    own = ledger(tmp_path, *(Trial(n, values(0.2), COMPLETED, [(25, 0.5), (50, 0.9)]) for n in (1, 2)))
    halving, _ = scheduler(SearchSection(), own, RUNGS)
    trial: Any = SimpleNamespace(trial_id="resumed")
    halving.on_trial_add(None, trial)
    assert halving.on_trial_result(None, trial, result_of(100, 0.95)) == TrialScheduler.CONTINUE


@pytest.mark.parametrize(
    ("reports", "stopped"), [([(25, 0.3)], True), ([(25, 0.7)], False), ([], False), ([(25, 0.7), (100, 0.1)], False)]
)
def test_a_session_that_was_broken_off_before_a_trial_was_stopped(
    tmp_path: Path, reports: list[tuple[int, float]], stopped: bool
) -> None:
    """It is stopped by the next session, which would otherwise train it to its next rung; not where it is done."""
    other = Trial(1, values(0.2), COMPLETED, [(25, 0.5), (50, 0.5), (100, 0.5)])
    own = ledger(tmp_path, other, Trial(2, values(0.3), RUNNING, reports))
    assert [trial.number for trial in scheduler(SearchSection(), own, RUNGS)[1]] == [2] * stopped
    assert scheduler(SearchSection(early_stopping=False), own, RUNGS)[1] == []


def test_distributions() -> None:
    assert repr(distribution(Uniform(low=0, high=2))) == "FloatDistribution(high=2.0, log=False, low=0.0, step=None)"
    assert repr(distribution(Whole(low=1, high=4, step=2))) == "IntDistribution(high=3, log=False, low=1, step=2)"
