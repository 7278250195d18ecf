"""Rungs: the steps at which trials are compared (asynchronous successive halving, Li et al. 2020, section 3)."""

import math
from dataclasses import dataclass

from weam_ray.settings.search import SearchSection


@dataclass(frozen=True)
class Rungs:
    """Of a trial that trains `num_seeds` times for `max_steps`, one after the other; steps count over all trainings."""

    max_steps: int
    num_seeds: int
    first: int
    factor: int

    @classmethod
    def of(cls, search: SearchSection, max_steps: int) -> "Rungs":
        whole = max_steps * search.num_seeds
        first = math.ceil(search.grace_share * whole) if search.early_stopping else whole
        return cls(max_steps, search.num_seeds, first, search.reduction_factor)

    @property
    def whole(self) -> int:
        """The steps of a trial that is not stopped."""
        return self.max_steps * self.num_seeds

    def steps(self) -> list[int]:
        """From the first rung to the end."""
        found = []
        step = self.first
        while step < self.whole:
            found.append(step)
            step *= self.factor
        return [*found, self.whole]

    def of_training(self, number: int) -> tuple[int, ...]:
        """The steps of the training `number`, from 0, after which it is measured; its last one always is."""
        before = number * self.max_steps
        inside = {step - before for step in self.steps() if before < step <= before + self.max_steps}
        return tuple(sorted({*inside, self.max_steps}))
