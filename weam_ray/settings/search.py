"""The section `search` of the configuration: what `jobs/tune.py` does with a space."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from weam_ray.settings.base import Section


@dataclass(frozen=True)
class Metric:
    """What trials are compared by: whether a `max` or a `min` is sought, and what it is called on axes."""

    mode: Literal["max", "min"]
    label: str


METRICS = {
    "retrieval": Metric("max", "sentence retrieval on held-out pairs, P@1, mean over languages"),
    "held_out_loss": Metric("min", "loss on held-out pairs, nats a masked token"),
}


# may change when a search is gone on with; the space itself may not, but its file may move
FREE = ("space", "num_trials", "max_concurrent", "keep_models")


class SearchSection(Section):
    """A search over a space of settings. No part of it changes what one trial computes.

    The metric is of held-out pairs and does not depend on what is searched: retrieval, or the loss of predictions with
    masks of a fixed probability and seed. The training loss would not do, since lambda and masking change it.
    """

    space: str = Field(default="weam", min_length=1, description="a Python file, or the name of one in tune_spaces/")
    num_trials: int = Field(default=8, ge=1)
    max_concurrent: int | None = Field(default=None, ge=1, description="trials at once; null: as many as fit")
    algorithm: Literal["tpe", "random", "grid"] = Field(
        default="tpe", description="grid: all combinations of the values, of which a continuous range has `points`"
    )
    metric: Literal["retrieval", "held_out_loss"] = "retrieval"
    num_seeds: int = Field(default=1, ge=1, description="trainings of a trial, whose mean counts")
    seed: int = Field(default=1, ge=0, lt=2**31, description="of the search's own choices")
    early_stopping: bool = Field(default=True, description="asynchronous successive halving (Li et al. 2020)")
    grace_share: float = Field(
        default=0.25, gt=0, le=1, description="share of a trial's steps before it may be stopped"
    )
    reduction_factor: int = Field(
        default=2,
        ge=2,
        description="one in so many of the trials that reach a rung goes on, to so many times the steps",
    )
    keep_models: int = Field(default=1, ge=1, description="best trials whose models stay on the disk")
