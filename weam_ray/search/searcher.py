"""What Tune asks for the next configuration, and when to stop one; both are told of earlier sessions first."""

from itertools import islice
from types import SimpleNamespace
from typing import Any

import optuna
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, RUNNING, Ledger, Trial
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Domain, LogUniform, Space, Uniform, Value, Whole
from weam_ray.search.trial import STEPS, VALUE
from weam_ray.settings.search import METRICS, SearchSection

RANDOM_FIRST = 10  # trials at random before TPE has something to go by; of a short search, a third


def distribution(domain: Domain) -> optuna.distributions.BaseDistribution:
    """A domain as Optuna has it."""
    if isinstance(domain, Uniform):
        return optuna.distributions.FloatDistribution(domain.low, domain.high, log=isinstance(domain, LogUniform))
    if isinstance(domain, Whole):
        high = domain.low + (domain.high - domain.low) // domain.step * domain.step
        return optuna.distributions.IntDistribution(domain.low, high, step=domain.step)
    return optuna.distributions.CategoricalDistribution(domain.values)


def distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    return {key: distribution(domain) for key, domain in space.domains.items()}


def sampler(search: SearchSection, begun: int) -> optuna.samplers.BaseSampler:
    """Of one choice, after `begun` others: by the seed, and by how these went."""
    seed = search.seed * 100_003 + begun
    if search.algorithm != "tpe":
        return optuna.samplers.RandomSampler(seed=seed)
    first = min(RANDOM_FIRST, max(2, search.num_trials // 3))
    return optuna.samplers.TPESampler(multivariate=True, constant_liar=True, n_startup_trials=first, seed=seed)


def optuna_state(trial: Trial) -> optuna.trial.TrialState:
    states = optuna.trial.TrialState
    return {COMPLETED: states.COMPLETE, PRUNED: states.PRUNED, FAILED: states.FAIL}[trial.state]


def optuna_trial(trial: Trial, space: Space) -> optuna.trial.FrozenTrial:
    """An ended trial as Optuna has it."""
    return optuna.trial.create_trial(
        state=optuna_state(trial),
        value=None if trial.state == FAILED else trial.value,
        params=trial.values,
        distributions=distributions(space),
        intermediate_values=dict(trial.reports),
    )


class LedgerSearch(OptunaSearch):
    """Optuna's choices, each written into the ledger before it is run; what an earlier session left comes first."""

    def __init__(self, space: Space, ledger: Ledger, search: SearchSection, rungs: Rungs) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.search, self.ledger, self.whole = search, ledger, rungs.whole
        self.numbers: dict[str, int] = {}
        first = [trial.values for trial in ledger.unfinished()]
        if search.algorithm == "grid":
            known = [trial.values for trial in ledger.trials]
            first += islice((point for point in space.grid() if point not in known), search.num_trials - len(known))
        super().__init__(
            distributions(space),
            metric=VALUE,
            mode=METRICS[search.metric].mode,
            points_to_evaluate=first or None,
            sampler=sampler(search, len(ledger.trials)),
        )
        for trial in ledger.ended():
            self._ot_study.add_trial(optuna_trial(trial, space))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if trial_id not in self.numbers:
            self._ot_study.sampler = sampler(self.search, len(self.ledger.trials))
            values: dict[str, Value] = super().suggest(trial_id)
            busy = {number for own, number in self.numbers.items() if own not in self._completed_trials}
            self.numbers[trial_id] = self.ledger.begin(values, busy).number
        trial = self.ledger.of(self.numbers[trial_id])
        return {"number": trial.number, "values": trial.values, "steps": trial.steps}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """By steps, as those of earlier sessions are known."""
        super().on_trial_result(trial_id, {**result, "training_iteration": result[STEPS]})

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial that was stopped early is pruned for Optuna too: its last value is an intermediate one."""
        pruned = not error and (result is None or result.get(STEPS, 0) < self.whole)
        if pruned and result is not None and trial_id in self._ot_trials:
            self._ot_trials[trial_id].report(result[VALUE], result[STEPS])  # Tune keeps the last one to itself
        super().on_trial_complete(trial_id, None if pruned or error else result, error)


def scheduler(search: SearchSection, ledger: Ledger, rungs: Rungs) -> tuple[TrialScheduler, list[Trial]]:
    """Asynchronous successive halving, which knows what earlier trials reported at each rung.

    Returns:
        it, and the unfinished trials that it stops at their last report: a session was broken off before they ended.
    """
    if not search.early_stopping:
        return FIFOScheduler(), []
    metric = METRICS[search.metric]
    result = ASHAScheduler(
        time_attr=STEPS,
        metric=VALUE,
        mode=metric.mode,
        max_t=rungs.whole,
        grace_period=rungs.first,
        reduction_factor=rungs.factor,
        stop_last_trials=False,
    )
    stopped = []
    for trial in [*ledger.ended(), *ledger.unfinished()]:  # the last reports last
        known: Any = SimpleNamespace(trial_id=f"earlier-{trial.number}")
        result.on_trial_add(None, known)
        decision = TrialScheduler.CONTINUE
        for steps, value in trial.reports:
            decision = result.on_trial_result(None, known, {STEPS: steps, VALUE: value})
        if trial.state == RUNNING and decision == TrialScheduler.STOP and trial.steps < rungs.whole:
            stopped.append(trial)
    return result, stopped
