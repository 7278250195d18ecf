"""What the driver does as Tune's trials go on: the ledger, room on the disk, progress.

MLflow is told by a thread of its own (`tracker.py`), which looks at the ledger.
"""

import time
from typing import Any

from ray.tune import Callback

from weam_ray.cluster.ray_private import free_reservations
from weam_ray.cluster.tasks import progress
from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, RUNNING, Ledger, Trial
from weam_ray.search.trial import END_SECONDS, FAILURE, STEPS, VALUE, Trials, release
from weam_ray.settings.search import metric_of

POLL_SECONDS = 2.0


class Follow(Callback):
    """Follows the trials of one session."""

    def __init__(self, trials: Trials, ledger: Ledger) -> None:
        self.trials, self.ledger = trials, ledger
        self.running: set[int] = set()
        # ended trials whose workers are still at a step, and when they are waited for no more
        self.stopping: dict[int, float] = {}
        self.polled = 0.0
        total = trials.config.search.num_trials
        self.bar = progress(None, "trials", total, len(ledger.ended()), leave=True)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune writes its callbacks to the disk for a restore of its own, which is never asked for."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.begin(self.own(trial))

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        own = self.own(trial)
        if own.report(result[STEPS], result[VALUE]):
            self.ledger.save()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        own = self.own(trial)
        completed = own.steps == self.trials.rungs.whole
        if not completed:
            self.stopping[own.number] = time.monotonic() + END_SECONDS
            self.trials.abandon(own.number)
        self.end(own, COMPLETED if completed else PRUNED)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        own = self.own(trial)
        if own.state != RUNNING:  # it had ended, and what failed is to say so
            return
        file = self.trials.place(own.number) / FAILURE
        if file.is_file():
            own.message = file.read_text(encoding="utf-8")
        else:
            own.message = str(trial.get_error() or "the process of the trial died").strip().splitlines()[-1]
        self.end(own, FAILED)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if time.monotonic() - self.polled < POLL_SECONDS:
            return
        self.polled = time.monotonic()
        for number in self.running:
            self.ledger.clock(number)
        self.ledger.save()  # a session may be killed
        self.release()
        free_reservations()  # of a trial whose process died

    def begin(self, trial: Trial) -> None:
        self.running.add(trial.number)
        self.bar.write(f"trial {trial.number}: {shown(trial.values)}", file=None)

    def end(self, trial: Trial, state: str) -> None:
        if trial.number not in self.running:  # it had no process, or one that died before it could start
            self.begin(trial)
        self.running.remove(trial.number)
        self.clock(trial)
        trial.state = state
        self.ledger.save()
        self.release()
        value = "" if trial.value is None else f", {trial.value:.4f}"
        steps = f" after {trial.steps:,} steps" if state == PRUNED else ""
        self.bar.write(f"trial {trial.number}: {state}{steps}{value}{trial.message and ': '}{trial.message}", file=None)
        self.bar.update()

    def release(self) -> None:
        """Delete what ended trials need no more, when their workers write no more."""
        now = time.monotonic()
        for number in [n for n, end in self.stopping.items() if end < now or self.trials.at_rest(n)]:
            del self.stopping[number]
        search = self.trials.config.search
        kept = {trial.number for trial in self.ledger.completed(metric_of(search.metric).mode)[: search.keep_models]}
        for trial in self.ledger.ended():
            if trial.number not in self.stopping:
                release(self.trials.place(trial.number), with_models=trial.number not in kept)

    def interrupt(self) -> None:
        """The session ends before its trials do."""
        for number in self.running:
            self.clock(self.ledger.of(number))
        self.ledger.save()

    def clock(self, trial: Trial) -> None:
        """Take down what a trial's time went into."""
        self.ledger.clock(trial.number)
        trial.phases = self.trials.phases(trial.number)

    def own(self, trial: Any) -> Trial:
        """Our trial of one of Tune's."""
        return self.ledger.of(trial.config["number"])


def shown(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )
