"""The sections of the configuration that a training computes with."""

from dataclasses import dataclass

from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.measurement import EvaluationSection
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import OptimizerSection, SeedSection, TrainingSection


@dataclass(frozen=True)
class TrainingSettings:
    """What a training, and the measurement before and after it, know of a configuration."""

    encoder: EncoderSection
    objective: ObjectiveSection
    optimizer: OptimizerSection
    training: TrainingSection
    seeds: SeedSection
    evaluation: EvaluationSection
