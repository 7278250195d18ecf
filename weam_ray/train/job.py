"""What a training is given."""

from collections.abc import Callable
from dataclasses import dataclass

from weam_ray.corpus.parts import DEV, Part
from weam_ray.measure.samples import Figures
from weam_ray.pipeline import Data
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.settings.training import TrainingSection
from weam_ray.store.provenance import Provenance
from weam_ray.store.training_folder import TrainingFolder


@dataclass(frozen=True)
class Milestones:
    """The steps after which a search measures, and what: `metric` is a name of `measure.held_out.FIGURES`, unless there
    are `figures` that take what those take. `part` is that of the held-out rows; None: all, as earlier versions had it.
    """

    steps: tuple[int, ...] = ()
    metric: str = ""
    figures: Callable[..., Figures] | None = None
    part: Part | None = DEV


@dataclass(frozen=True)
class TrainingJob:
    """What a training worker is given.

    Args:
        fingerprint: of all that can change the result; a checkpoint of another one is not gone on from.
        run: the name of the training among Ray's metrics.
        provenance: what is written of it beside the weights.
        milestones: of a search; a run has none.
    """

    settings: TrainingSettings
    data: Data
    folder: TrainingFolder
    fingerprint: str
    run: str
    provenance: Provenance
    milestones: Milestones = Milestones()


def resources(training: TrainingSection) -> dict[str, float]:
    """What one training worker reserves of its node."""
    needed: dict[str, float] = {"CPU": training.threads_per_worker}
    return {**needed, "GPU": 1} if training.use_gpu else needed
