"""What a search knows of its trials: one state, readable by a person, written before and after anything happens."""

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from weam_ray.corpus.parts import Part
from weam_ray.search.space import Value
from weam_ray.store.files import write_whole

RUNNING, COMPLETED, PRUNED, FAILED = "running", "completed", "pruned", "failed"
STATE = "state.json"
WRITING = threading.Lock()  # the driver and the courier to MLflow both write


@dataclass
class Trial:
    """One configuration; `reports` are [steps done by all its trainings, mean held-out value] by rising steps.

    `seconds` are those from its choice to its end, over all sessions; `phases` those of its trainings, by phase.
    """

    number: int
    values: dict[str, Value]
    state: str = RUNNING
    reports: list[tuple[int, float]] = field(default_factory=list)
    message: str = ""
    seconds: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    mlflow_run_id: str | None = None

    @property
    def value(self) -> float | None:
        """The last held-out value; None where there is none."""
        return self.reports[-1][1] if self.reports else None

    @property
    def steps(self) -> int:
        return self.reports[-1][0] if self.reports else 0

    def report(self, steps: int, value: float) -> bool:
        """Add a report, unless it was there before a restart; whether it was added."""
        if steps <= self.steps:
            return False
        self.reports.append((steps, value))
        return True


@dataclass
class Ledger:
    """The state of a search, in its folder.

    `part` is that of the held-out rows which trials are compared on; None in searches that an earlier version began,
    which go on as they began: on all.
    """

    folder: Path
    fingerprint: str
    finished: bool = False
    sessions: int = 0
    seconds: float = 0.0
    mlflow_run_id: str | None = None
    champion: str | None = None
    trials: list[Trial] = field(default_factory=list)
    part: Part | None = None
    begun: dict[int, float] = field(default_factory=dict)  # by the clock of this process, of the trials that run in it

    @classmethod
    def read(cls, folder: Path) -> "Ledger | None":
        """The state that a folder holds, if it holds one."""
        file = folder / STATE
        if not file.is_file():
            return None
        tree: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        trials = [
            Trial(**{**own, "reports": [(step, value) for step, value in own["reports"]]}) for own in tree.pop("trials")
        ]
        return cls(folder=folder, trials=trials, **tree)

    def reread(self) -> None:
        """Take over what another process has written since."""
        found = Ledger.read(self.folder)
        if found is not None:
            vars(self).update(vars(found))

    def save(self) -> None:
        with WRITING:
            tree = {key: value for key, value in vars(self).items() if key not in ("folder", "begun")}
            tree["trials"] = [asdict(trial) for trial in self.trials]
            write_whole(self.folder / STATE, json.dumps(tree, indent=1))

    def begin(self, values: dict[str, Value], busy: set[int]) -> Trial:
        """The trial of some values: one that an earlier session left unfinished, else a new one.

        Args:
            busy: numbers of trials that are running now.
        """
        known = (own for own in self.unfinished() if own.number not in busy and own.values == values)
        trial = next(known, None)
        if trial is None:
            trial = Trial(len(self.trials) + 1, values)
            self.trials.append(trial)
            self.save()
        self.begun[trial.number] = time.monotonic()
        return trial

    def clock(self, number: int) -> None:
        """Add to a trial's seconds those since the last time, or since it was begun in this session, if it was."""
        trial, now = self.of(number), time.monotonic()
        trial.seconds = round(trial.seconds + now - self.begun.get(number, now), 3)
        self.begun[number] = now

    def of(self, number: int) -> Trial:
        return self.trials[number - 1]

    def unfinished(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == RUNNING]

    def ended(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state != RUNNING]

    def completed(self, mode: str) -> list[Trial]:
        """Completed trials, the best first, of equal ones the first."""
        sign = -1 if mode == "max" else 1
        done = [trial for trial in self.trials if trial.state == COMPLETED and trial.value is not None]
        return sorted(done, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
