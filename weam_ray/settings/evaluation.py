"""Settings of an evaluation, and of fine-tuning by task, where XTREME's recipes are the defaults."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from weam_ray.settings.base import Section
from weam_ray.settings.parsing import validated
from weam_ray.settings.paths import LocalPath, ModelName, OutputPath, StoragePath
from weam_ray.settings.services import ClusterSection, TrackingSection


class Recipe(Section):
    """How a task is fine-tuned: AdamW with a linear decay, the best epoch by the English development set."""

    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-5
    epochs: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    batch_size: int = Field(default=32, ge=1)
    micro_batch_size: int | None = Field(default=None, ge=1, description="rows of one forward pass; null: batch_size")
    max_length: int = Field(default=128, ge=16, description="tokens of an input, special ones too")
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    warmup_share: float = Field(default=0.0, ge=0, le=1)
    max_gradient_norm: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    patience: int | None = Field(
        default=None, ge=1, description="epochs without a better one before the end; null: all"
    )
    max_train: int | None = Field(default=None, ge=1, description="training examples, evenly by language; null: all")
    prediction_batch_size: int = Field(default=64, ge=1)
    stride: int = Field(default=128, ge=1, description="questions: tokens that neighbouring windows share")
    max_question: int = Field(default=64, ge=4, description="questions: tokens of a question")
    max_answer: int = Field(default=30, ge=1, description="questions: tokens of an answer")
    layer: int | None = Field(default=None, description="retrieval without training; null: 2/3 of the way up")
    num_best: int = Field(default=20, ge=1, description="questions: starts and ends that are combined")

    @model_validator(mode="after")
    def batch_divides(self) -> "Recipe":
        if self.batch_size % self.rows_at_once:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self

    @property
    def rows_at_once(self) -> int:
        return self.micro_batch_size or self.batch_size


Setting = Literal["zero-shot", "translate-train", "translate-train-all"]


class EvaluationSettings(Section):
    """What an evaluation does. `models`: one, or as many checkpoints as seeds of one system's pre-training."""

    system: str = Field(min_length=1, description="what tables call it")
    models: list[ModelName] = Field(min_length=1)
    tasks: list[str] = Field(min_length=1)
    languages: list[str] = Field(default=[], description="XTREME's codes; empty: all that have test data")
    setting: Setting = "zero-shot"
    intermediate: list[str] = Field(default=[], description="tasks, or labelled files, that train first, in order")
    num_seeds: int = Field(default=3, ge=1)
    first_seed: int = Field(default=1, ge=0)
    data_root: LocalPath | None = Field(default=None, description="a folder for each task; null: data sets by name")
    held_out: LocalPath | None = Field(default=None, description="run with pairs to align; null: the model's")
    output: OutputPath = Field(min_length=1)
    home: OutputPath | None = None
    stages: StoragePath | None = None
    recipe: dict[str, Any] = Field(default={}, description="settings of every task's recipe")
    recipes: dict[str, dict[str, Any]] = Field(default={}, description="settings of one task's recipe")
    threads: int = Field(default=1, ge=1, description="CPU cores of a fine-tuning run")
    use_gpu: bool = False
    tracking: TrackingSection = TrackingSection()
    cluster: ClusterSection = ClusterSection()

    @model_validator(mode="after")
    def a_model_for_each_seed(self) -> "EvaluationSettings":
        if len(self.models) not in (1, self.num_seeds):
            raise ValueError(
                f"{len(self.models)} models and num_seeds {self.num_seeds}: give one model, or one for each seed"
            )
        return self

    @property
    def seeds(self) -> list[int]:
        return list(range(self.first_seed, self.first_seed + self.num_seeds))

    def model_of(self, seed: int) -> str:
        return self.models[(seed - self.first_seed) % len(self.models)]

    def recipe_of(self, task: str, default: Recipe) -> Recipe:
        """A task's recipe with the settings that are given.

        Raises:
            UserError: an unknown setting, or a wrong value.
        """
        return validated(Recipe, default.model_dump() | self.recipe | self.recipes.get(task, {}))
