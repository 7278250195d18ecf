"""The section `search` of the configuration: what `jobs/tune.py` does with a space."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from weam_ray.settings.base import Called, Role, Section, Younger


@dataclass(frozen=True)
class Metric:
    """What trials are compared by: whether a `max` or a `min` is sought, and what it is called on axes."""

    mode: Literal["max", "min"]
    label: str


METRICS = {
    "retrieval": Metric("max", "sentence retrieval on held-out pairs, P@1, mean over languages"),
    "held_out_loss": Metric("min", "loss on held-out pairs, nats a masked token"),
    "retrieval_and_prediction": Metric("max", "geometric mean of retrieval (P@1) and of masked tokens that are right"),
}


TASK = "task:"


def task_of_metric(metric: str) -> str | None:
    """The task that a metric is the English development score of; None for one of METRICS."""
    return metric.removeprefix(TASK) if metric.startswith(TASK) else None


def metric_of(name: str) -> Metric:
    """What a metric is, by the name that users write."""
    task = task_of_metric(name)
    return METRICS[name] if task is None else Metric("max", f"{task}, English development data, share right")


class SearchSection(Section):
    """The search that `jobs/tune.py` runs over a space of settings; no key of it changes what one trial computes.

    Trials are compared on held-out pairs by a metric that does not depend on what is searched: retrieval, or the loss
    of predictions with masks of a fixed probability and seed. The training loss would not do, since lambda and masking
    change it.
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
    metric: Annotated[str, Role.SEARCH, Called(f"{', '.join(METRICS)} or task:NAME")] = Field(
        default="retrieval",
        description="What trials are compared by: on held-out pairs retrieval, which may be bought by forgetting, the "
        "loss, or retrieval joined with prediction; or a task, fine-tuned and scored on English development data.",
    )
    recipe: Annotated[dict[str, Any], Role.SEARCH, Younger()] = Field(
        default={}, description="Keys of the recipe by which the task of the metric is fine-tuned."
    )
    vary_budget: Annotated[bool, Role.SESSION] = Field(
        default=False,
        description="Whether a space may change what a step costs: by training.batch_size, or by other objectives than "
        "those of the configuration.",
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
        description="At each rung, one in so many of the trials continues, to so many times the steps.",
    )
    keep_models: Annotated[int, Role.SESSION] = Field(
        default=1, ge=1, description="How many of the best trials keep their models on the disk."
    )

    retrain: Annotated[int, Role.SESSION] = Field(
        default=0,
        ge=0,
        description="How many times the best configuration is trained again, each time with seeds that no trial had; "
        "of a search that is finished too.",
    )

    @field_validator("metric")
    @classmethod
    def known(cls, metric: str) -> str:
        if metric not in METRICS and not task_of_metric(metric):
            raise ValueError(f"{metric!r} is none of {', '.join(METRICS)}, and no task:NAME")
        return metric
