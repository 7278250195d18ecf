"""How much of its budget a training has used: steps, tokens, masked predictions or seconds, whichever is used up first.

Trainings that are compared should have the same budget of one kind (Yang et al. 2021 compare at equal steps, at which
their objectives see other numbers of tokens and predictions).
"""

from dataclasses import dataclass

from weam_ray.settings.training import TrainingSection
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.log import read_steps


@dataclass
class Budget:
    """What was used so far over all workers and sessions; `seconds` are those of the steps."""

    training: TrainingSection
    tokens: int = 0
    predictions: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, training: TrainingSection, folder: TrainingFolder, done: int) -> "Budget":
        """What the steps up to `done` used, as the logs of a training say."""
        losses, timings = (
            [entry for entry in read_steps(file) if entry["step"] <= done] for file in (folder.losses, folder.timings)
        )
        return cls(
            training,
            sum(entry["tokens"] for entry in losses),
            sum(entry["masked_tokens"] for entry in losses),
            sum(entry["seconds"] for entry in timings),
        )

    def share(self, step: int) -> float:
        """The share that is used after a step; above 1 where its last tokens were more than were left."""
        training = self.training
        shares = [step / training.max_steps if training.max_steps else 1.0]
        shares += [self.tokens / training.max_tokens] if training.max_tokens else []
        shares += [self.predictions / training.max_predictions] if training.max_predictions else []
        shares += [self.seconds / training.max_seconds] if training.max_seconds else []
        return max(shares)

    def position(self, step: int) -> float:
        """The step of `max_steps` that the learning rate of a step is that of: itself, or what the share comes to."""
        return min(max(float(step), self.share(step) * self.training.max_steps), float(self.training.max_steps))

    def is_spent(self, step: int) -> bool:
        """Whether a step is the last one."""
        return self.share(step) >= 1
