"""Settings of fine-tuning, by task: XTREME's recipes are the defaults."""

from typing import Annotated, Literal

from pydantic import Field

from weam_ray.sections import Section


class Recipe(Section):
    """How a task is fine-tuned: AdamW with a linear decay, the best epoch by the English development set."""

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-5
    epochs: float = Field(default=5.0, gt=0)
    batch_size: int = Field(default=32, ge=1)
    max_length: int = Field(default=128, ge=16, description="tokens of an input, special ones too")
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_share: float = Field(default=0.0, ge=0, le=1)
    max_gradient_norm: float = Field(default=1.0, ge=0)
    patience: int | None = Field(
        default=None, ge=1, description="epochs without a better one before the end; null: all"
    )
    max_train: int | None = Field(default=None, ge=1, description="training examples, the first ones; null: all")
    prediction_batch_size: int = Field(default=64, ge=1)
    stride: int = Field(default=128, ge=1, description="questions: tokens that neighbouring windows share")
    max_question: int = Field(default=64, ge=4, description="questions: tokens of a question")
    max_answer: int = Field(default=30, ge=1, description="questions: tokens of an answer")
    num_best: int = Field(default=20, ge=1, description="questions: starts and ends that are combined")


Setting = Literal["zero-shot", "translate-train", "translate-train-all"]
