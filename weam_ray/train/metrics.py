"""A training step among Ray's metrics; `cluster/metrics.py` has the table of them."""

from typing import TYPE_CHECKING

from weam_ray.cluster.metrics import metric

if TYPE_CHECKING:
    from weam_ray.train.record import StepRecord


def step_done(entry: "StepRecord", run: str) -> None:
    """Count an optimizer step of a run; the first worker calls it for all."""
    tags = {"run": run}
    metric("Counter", "steps", "optimizer steps", "run").inc(1, tags)
    metric("Counter", "tokens_trained", "tokens of the steps, but for padding", "run").inc(entry.tokens, tags)
    if entry.waited > 0:
        metric("Counter", "data_wait_seconds", "seconds that steps waited for data", "run").inc(entry.waited, tags)
    metric("Gauge", "loss", "loss of the last step", "run").set(entry.loss, tags)
