"""The section `search` of the configuration: what `jobs/tune.py` does with a space."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from weam_ray.settings.base import Role, Section


@dataclass(frozen=True)
class Metric:
    """What trials are compared by: whether a `max` or a `min` is sought, and what it is called on axes."""

    mode: Literal["max", "min"]
    label: str


METRICS = {
    "retrieval": Metric("max", "sentence retrieval on held-out pairs, P@1, mean over languages"),
    "held_out_loss": Metric("min", "loss on held-out pairs, nats a masked token"),
}


class SearchSection(Section):
    """A search over a space of settings. No part of it changes what one trial computes.

    The metric is of held-out pairs and does not depend on what is searched: retrieval, or the loss of predictions with
    masks of a fixed probability and seed. The training loss would not do, since lambda and masking change it.
    """

    space: Annotated[str, Role.SESSION] = Field(
        default="weam",
        min_length=1,
        description="The Python file that says what is searched, or the name of one that is shipped: weam, weam_wide "
        "or smoke.",
    )
    num_trials: Annotated[int, Role.SESSION] = Field(default=8, ge=1, description="How many trials are run.")
    max_concurrent: Annotated[int | None, Role.SESSION] = Field(
        default=None, ge=1, description="How many trials run at once; null: as many as the cluster has room for."
    )
    algorithm: Annotated[Literal["tpe", "random", "grid"], Role.SEARCH] = Field(
        default="tpe",
        description="How values are chosen: by Optuna's multivariate TPE, at random, or all combinations, for which a "
        "continuous range has `points` values.",
    )
    metric: Annotated[Literal["retrieval", "held_out_loss"], Role.SEARCH] = Field(
        default="retrieval", description="What trials are compared by, on held-out pairs."
    )
    num_seeds: Annotated[int, Role.SEARCH] = Field(
        default=1, ge=1, description="How many trainings a trial has, with other seeds; their mean counts."
    )
    seed: Annotated[int, Role.SEARCH] = Field(
        default=1, ge=0, lt=2**31, description="The seed of the search's own choices."
    )
    early_stopping: Annotated[bool, Role.SEARCH] = Field(
        default=True,
        description="Whether weak trials are stopped early, by asynchronous successive halving (Li et al. 2020).",
    )
    grace_share: Annotated[float, Role.SEARCH] = Field(
        default=0.25, gt=0, le=1, description="The share of a trial's steps before it may be stopped."
    )
    reduction_factor: Annotated[int, Role.SEARCH] = Field(
        default=2,
        ge=2,
        description="One in so many of the trials that reach a rung goes on, to so many times the steps.",
    )
    keep_models: Annotated[int, Role.SESSION] = Field(
        default=1, ge=1, description="How many of the best trials keep their models on the disk."
    )
