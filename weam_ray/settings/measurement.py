"""The section `evaluation`: what pre-training measures on held-out pairs."""

from pydantic import Field

from weam_ray.settings.base import Section


class EvaluationSection(Section):
    """What is measured on the held-out pairs, before and after training."""

    layer: int = Field(default=-1, description="of the pooled states; 0 is the embeddings, -1 the last layer")
    batch_size: int = Field(default=64, ge=1)
    pivot: str | None = Field(default=None, description="language that retrieval goes to; null: the most frequent")
