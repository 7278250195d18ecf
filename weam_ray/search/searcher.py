"""What Tune asks for the next configuration, and when to stop one; both are told of earlier sessions first."""

from itertools import islice
from types import SimpleNamespace
from typing import Any

import optuna
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, RUNNING, Ledger, Trial
from weam_ray.search.rungs import Rungs
from weam_ray.search.space import Domain, LogUniform, Space, Uniform, Value, Whole
from weam_ray.search.trial import STEPS, VALUE
from weam_ray.settings.search import SearchSection, metric_of

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
    """The Optuna sampler of the next choice, after `begun` others.

    Each choice has a sampler of its own, seeded from `search.seed` and `begun`, so that a search that is continued
    chooses as one that was not interrupted.
    """
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


class LedgerSearch(Searcher):
    """Optuna's choices, each written into the ledger before it is run; what an earlier session left comes first."""

    def __init__(self, space: Space, ledger: Ledger, search: SearchSection, rungs: Rungs) -> None:
        super().__init__(metric=VALUE, mode=metric_of(search.metric).mode)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.search, self.ledger, self.whole = search, ledger, rungs.whole
        self.distributions = distributions(space)
        self.numbers: dict[str, int] = {}  # in the ledger, of Tune's trials
        self.running: dict[str, optuna.Trial] = {}
        direction = {"max": "maximize", "min": "minimize"}[metric_of(search.metric).mode]
        self.study = optuna.create_study(direction=direction, pruner=optuna.pruners.NopPruner())
        for trial in ledger.trials:  # in their order, by which TPE ranks trials of equal values
            if trial.state == RUNNING:
                self.study.enqueue_trial(trial.values)
            else:
                self.study.add_trial(optuna_trial(trial, space))
        if search.algorithm == "grid":
            known = [trial.values for trial in ledger.trials]
            points = (point for point in space.grid() if point not in known)
            for values in islice(points, search.num_trials - len(known)):
                self.study.enqueue_trial(values)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if trial_id not in self.numbers:
            busy = {self.numbers[own] for own in self.running}
            self.study.sampler = sampler(self.search, len(self.ledger.trials))
            self.running[trial_id] = self.study.ask(self.distributions)
            values: dict[str, Value] = self.running[trial_id].params
            self.numbers[trial_id] = self.ledger.begin(values, busy).number
        trial = self.ledger.of(self.numbers[trial_id])
        return {"number": trial.number, "values": trial.values, "steps": trial.steps}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tell Optuna of a value by the steps done, as it knows those of earlier sessions."""
        self.running[trial_id].report(result[VALUE], result[STEPS])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial that was stopped early is pruned for Optuna too: its last value is an intermediate one."""
        trial, states = self.running.pop(trial_id, None), optuna.trial.TrialState
        if trial is None:
            return  # it had ended before, and then ending its process failed
        if error:
            self.study.tell(trial, state=states.FAIL)
        elif result is not None and result.get(STEPS, 0) >= self.whole:
            self.study.tell(trial, result[VALUE])
        else:
            if result is not None:
                trial.report(result[VALUE], result[STEPS])  # Tune does not report the last one
            self.study.tell(trial, state=states.PRUNED)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: Tune would restore its searcher from here, but a search goes on from the ledger."""


def scheduler(search: SearchSection, ledger: Ledger, rungs: Rungs) -> tuple[TrialScheduler, list[Trial]]:
    """Asynchronous successive halving, which knows what earlier trials reported at each rung.

    Returns:
        it, and the unfinished trials that it stops at their last report: a session was broken off before they ended.
    """
    if not search.early_stopping:
        return FIFOScheduler(), []
    metric = metric_of(search.metric)
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
