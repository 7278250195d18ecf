"""What a training is given, and what driver and workers tell each other through files."""

from dataclasses import dataclass
from pathlib import Path

from weam_ray.pipeline import Data
from weam_ray.settings.config import Config
from weam_ray.train import checkpoint
from weam_ray.train.milestones import Milestones

MISTAKE, STOP, ABANDONED = "mistake.txt", "stop", "abandoned"
MISTAKE_BYTES = 4096


@dataclass(frozen=True)
class TrainingJob:
    """What a training worker is given; `run` is its name among Ray's metrics, `milestones` are of a search."""

    config: Config
    data: Data
    folder: Path
    fingerprint: str
    run: str
    milestones: Milestones | None = None

    @property
    def storage(self) -> Path:
        """Where the checkpoints are; every worker sees it."""
        return self.folder / checkpoint.STORAGE


def resources(config: Config) -> dict[str, float]:
    """What one training worker reserves."""
    needed: dict[str, float] = {"CPU": config.training.threads_per_worker}
    return {**needed, "GPU": 1} if config.training.use_gpu else needed


def abandon(folder: Path) -> None:
    """Ask the workers of a training to end after the step that they are in, without a checkpoint."""
    (folder / ABANDONED).touch()
    (folder / STOP).touch()
