"""Held-out figures in the middle of training, after given steps: what a search compares and stops trials by."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.store.files import write_whole
from weam_ray.train import phases
from weam_ray.train.log import cut, read_steps

HELD_OUT = "held_out.jsonl"


@dataclass(frozen=True)
class Milestones:
    """The steps after which `metric`, a name of `measure.held_out.FIGURES`, is measured."""

    steps: tuple[int, ...]
    metric: str


class Measurer:
    """Measures the weights of an engine after a step, on the first worker; all workers call it together.

    A line of `held_out.jsonl` has the `step`, the `value` that is compared, and the `figures` by their names in MLflow.
    """

    def __init__(
        self, job: Any, engine: Any, model_config: Any, tokenizer: Any, done: int, phase: Callable[[str], None]
    ) -> None:
        """`done` steps were done before; lines of later ones go. `phase` notes what begins."""
        self.job, self.engine, self.model_config, self.tokenizer = job, engine, model_config, tokenizer
        self.phase = phase
        self.model: Any = None
        self.file: Path = job.folder / HELD_OUT
        if engine.rank == 0:
            cut(self.file, done)

    def __call__(self, step: int) -> None:
        """Add a line, if the step is a milestone."""
        from weam_ray.measure.held_out import FIGURES, HeldOut
        from weam_ray.train.export import filled

        milestones = self.job.milestones
        if milestones is None or step not in milestones.steps:
            return
        self.phase(phases.HELD_OUT)
        weights = self.engine.full_weights()
        if weights is None:
            return
        self.model = filled(weights, self.model_config, self.model).to(self.engine.device)
        held_out = HeldOut.of(self.job.data.encoded)
        value, figures = FIGURES[milestones.metric](held_out, self.model, self.tokenizer, self.job.config)
        lines = [*read_steps(self.file), {"step": step, "value": value, "figures": figures}]
        write_whole(self.file, "".join(json.dumps(line) + "\n" for line in lines))
