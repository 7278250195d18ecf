"""What all jobs share: whose a folder is, its lease, the cluster, the clock, MLflow, and the last words."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from weam_ray.cluster.join import ray_cluster
from weam_ray.errors import UserError
from weam_ray.settings.services import ClusterSection, TrackingSection
from weam_ray.store.files import named
from weam_ray.store.home import Home
from weam_ray.store.lease import exclusive
from weam_ray.store.runs import PLAN
from weam_ray.store.stages import StageDefinition, StageStore, describe
from weam_ray.store.training_folder import STATE
from weam_ray.tracking.client import Tracker
from weam_ray.tracking.store import store_of, where_to_compare

ALIGNMENT_STATE = "alignment.json"
CORPUS_STATE = "corpus.json"


class Kind(StrEnum):
    """The jobs, by what a message calls the results of each."""

    RUN = "a run of pre-training"
    SEARCH = "a search"
    ALIGNMENT = "an alignment"
    EVALUATION = "an evaluation"
    STUDY = "a study"
    CORPUS = "a corpus"


def holder(folder: Path) -> Kind | None:
    """The job whose results a folder holds, by the files that every job writes first; None where there are none."""

    def has(name: str, key: str) -> bool:
        return (folder / name).is_file() and f'"{key}"' in (folder / name).read_text(encoding="utf-8")

    if has(PLAN, "identity"):
        return Kind.EVALUATION
    if has(ALIGNMENT_STATE, "fingerprint"):
        return Kind.ALIGNMENT
    if has(CORPUS_STATE, "corpus"):
        return Kind.CORPUS
    if has(STATE, "study"):
        return Kind.STUDY
    if (folder / STATE).is_file():
        return Kind.SEARCH if has(STATE, "trials") else Kind.RUN
    return None


def check_holder(folder: Path, kind: Kind, setting: str) -> None:
    """See that a folder holds no results of another kind of job; `setting` is what named it.

    Raises:
        UserError: it does.
    """
    found = holder(folder)
    if found not in (None, kind):
        raise UserError(f"{named(setting, folder)}: {found} is there; name another folder.")


@dataclass
class Clock:
    """The seconds of a job by phase; a phase that comes again, in this session or a later one, is added to."""

    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to those of its phase."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)

    def total(self) -> float:
        """Seconds since the clock was made."""
        return round(time.monotonic() - self.started, 3)

    def line(self) -> str:
        """The phases and the whole, in seconds, as a line to print."""
        phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self.seconds.items())
        return f"{phases}; {self.total():.0f} s in all"


class Services(Protocol):
    """Settings that say which cluster and which MLflow store a job uses."""

    @property
    def cluster(self) -> ClusterSection: ...

    @property
    def tracking(self) -> TrackingSection: ...


@dataclass(frozen=True)
class Frame:
    """Where a job works: its folder, the home, a cluster and MLflow.

    `setting` is what names the folder in messages: a key, or an option of the command line.
    """

    home: Home
    folder: Path
    setting: str
    services: Services

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the block runs, hold the folder against a second process, and have a cluster.

        Raises:
            UserError: another live process has the folder, it cannot be written, or the cluster cannot be reached.
        """
        with self.held(), self.cluster():
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs, hold the folder against a second process.

        Raises:
            UserError: another live process has it, or it or the home cannot be written.
        """
        self.home.begin()
        other = "use --fresh" if self.setting == "output.dir" else f"name another folder with {self.setting}"
        with exclusive(self.folder, self.setting, f"wait for it, or {other}"):
            yield

    def cluster(self) -> AbstractContextManager[None]:
        """Join the cluster of the settings, or start one that ends with the block.

        Raises:
            UserError: it cannot be reached.
        """
        return ray_cluster(self.services.cluster.address, self.services.cluster.num_cpus)

    def tracker(self) -> Tracker:
        """A client of the MLflow store, with no run open.

        Raises:
            UserError: the store cannot be reached or used.
        """
        return Tracker.of(self.services.tracking, self.home.path)

    def say_where(self, files: Sequence[str], result: str, address: str | None) -> None:
        """Print the last words of a job: where its results are, what compares them, and where MLflow shows them.

        Args:
            result: what MLflow has of the job, such as `run`.
            address: of that in MLflow; None where it is not known.
        """
        print(f"Results: {self.folder} ({', '.join(files)})")
        print(where_to_compare(store_of(self.services.tracking.uri, self.home.path)))
        if address is not None:
            print(f"The {result} in MLflow: {address}")


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """While the block runs, SIGTERM ends it as Ctrl-C does."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def warn_of_lacks(what: str, lacks: str, reason: str) -> None:
    """Print what MLflow was not told of a job whose results are whole."""
    print(f"warning: MLflow lacks {lacks}: {reason}. The {what} itself is whole. The same command sends them.")


def preview_stages(store: StageStore, stages: Sequence[StageDefinition]) -> None:
    """Print which data stages a job would run, and which it would reuse."""
    for stage in stages:
        committed = store.find(stage.spec)
        todo = "run" if committed is None else f"reuse ({describe(committed.counts)})"
        print(f"stage {stage.name:9s} {stage.fingerprint}: {todo}")
