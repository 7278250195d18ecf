"""The section `evaluation`: what pre-training measures on held-out pairs."""

from typing import Annotated

from pydantic import Field

from weam_ray.settings.base import Role, Section


class EvaluationSection(Section):
    """What pre-training measures on held-out pairs, before and after it; `jobs/evaluate.py` has settings of its own."""

    layer: Annotated[int, Role.RESULT] = Field(
        default=-1, description="The layer whose states are compared; 0 is the embeddings, -1 the last layer."
    )
    batch_size: Annotated[int, Role.RESULT] = Field(
        default=64, ge=1, description="How many sentences are encoded at once."
    )
    pivot: Annotated[str | None, Role.RESULT] = Field(
        default=None, description="The language that translations are looked up in; null: the most frequent language."
    )
