"""Settings of an evaluation, and of fine-tuning by task, where XTREME's recipes are the defaults."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from weam_ray.settings.base import Called, Derived, Role, Section, Younger
from weam_ray.settings.parsing import validated
from weam_ray.settings.paths import LocalPath, ModelName, OutputPath, StoragePath
from weam_ray.settings.services import ClusterSection, TrackingSection


class Recipe(Section):
    """How a task is fine-tuned: by AdamW with a linear decay, the best epoch chosen by English development data.

    Each task has defaults of its own, those of XTREME.
    """

    learning_rate: Annotated[float, Role.RESULT] = Field(
        default=2e-5, gt=0, allow_inf_nan=False, description="The highest learning rate."
    )
    epochs: Annotated[float, Role.RESULT] = Field(
        default=5.0, gt=0, allow_inf_nan=False, description="How often the training data are gone through."
    )
    batch_size: Annotated[int, Role.RESULT] = Field(
        default=32, ge=1, description="How many examples an optimizer step has."
    )
    micro_batch_size: Annotated[int | None, Role.RESULT] = Field(
        default=None,
        ge=1,
        description="How many examples one forward pass has, among which retrieval looks for pairs; null: batch_size.",
    )
    max_length: Annotated[int, Role.RESULT, Role.FEATURES] = Field(
        default=128, ge=16, description="How many tokens an input may have, special ones included."
    )
    weight_decay: Annotated[float, Role.RESULT] = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="The weight decay of AdamW."
    )
    warmup_share: Annotated[float, Role.RESULT] = Field(
        default=0.0, ge=0, le=1, description="The share of the steps over which the learning rate warms up."
    )
    max_gradient_norm: Annotated[float, Role.RESULT] = Field(
        default=1.0, ge=0, allow_inf_nan=False, description="The norm that gradients are clipped to; 0: no clipping."
    )
    patience: Annotated[int | None, Role.RESULT] = Field(
        default=None, ge=1, description="After how many epochs without a better one training ends; null: never."
    )
    max_train: Annotated[int | None, Role.RESULT, Role.FEATURES] = Field(
        default=None, ge=1, description="How many training examples each seed draws, evenly by language; null: all."
    )
    prediction_batch_size: Annotated[int, Role.RESULT] = Field(
        default=64, ge=1, description="How many examples are predicted at once."
    )
    stride: Annotated[int, Role.RESULT, Role.FEATURES] = Field(
        default=128,
        ge=1,
        description="Questions: how many tokens of a long context the next window begins after the one before.",
    )
    max_question: Annotated[int, Role.RESULT, Role.FEATURES] = Field(
        default=64, ge=4, description="Questions: how many tokens of a question are kept."
    )
    max_answer: Annotated[int, Role.RESULT] = Field(
        default=30, ge=1, description="Questions: how many tokens an answer may have."
    )
    layer: Annotated[int | None, Role.RESULT] = Field(
        default=None,
        description="Retrieval without training: the layer that is compared; null: 14 of 24, else 2/3 of the way up.",
    )
    special_tokens: Annotated[bool, Role.RESULT, Younger()] = Field(
        default=False,
        description="Retrieval without training: whether special tokens are part of a sentence's mean, as they are in "
        "XTREME's script.",
    )
    max_query: Annotated[int | None, Role.RESULT, Role.FEATURES, Younger()] = Field(
        default=None,
        ge=4,
        description="Retrieval with training: how many tokens a query may have, special ones included; null: "
        "max_length.",
    )
    vector: Annotated[Literal["pooler", "first_token"], Role.RESULT, Younger()] = Field(
        default="pooler",
        description="Retrieval with training: whether texts are compared by the pooler's output or by first tokens.",
    )
    num_best: Annotated[int, Role.RESULT] = Field(
        default=20, ge=1, description="Questions: how many starts and ends of an answer are combined."
    )

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

    @property
    def query_length(self) -> int:
        """How many tokens a query has at most."""
        return min(self.max_length, self.max_query or self.max_length)


class OwnTask(Section):
    """A classification of one's own, whose files are `LANG/train.tsv`, `LANG/dev.tsv` and `LANG/test.tsv`.

    LANG is a language by XTREME's code, ISO 639-3's or NLLB's; a task in English alone may have its files without a
    folder for the language. Each file has a heading. `own_tasks.NAME.recipe` takes all keys of a recipe.
    """

    folder: Annotated[str, Role.CONTENT] = Field(
        min_length=1, description="The folder of the task: under the data root, or by its absolute path."
    )
    metric: Annotated[Literal["accuracy", "macro_f1"], Role.RESULT] = Field(
        default="accuracy", description="What is told, and chooses the epoch; the other metric stands beside it."
    )
    text: Annotated[str, Role.RESULT] = Field(default="text", min_length=1, description="The column of the texts.")
    pair: Annotated[str | None, Role.RESULT] = Field(
        default=None, min_length=1, description="The column of the second texts, where pairs are classified."
    )
    label: Annotated[str, Role.RESULT] = Field(default="label", min_length=1, description="The column of the labels.")
    train: Annotated[str, Role.RESULT] = Field(
        default="train", min_length=1, description="What the files of training data are called, without .tsv."
    )
    languages: Annotated[dict[str, str | None], Role.RESULT, Called("mapping of folders to codes or null")] = Field(
        default={}, description="The languages of folders that have other names; null: the folder is left out."
    )
    recipe: Annotated[Recipe, Role.RESULT] = Recipe()
    reference: Annotated[str | None, Role.LABEL] = Field(default=None, description="Where the data are described.")
    licence: Annotated[str | None, Role.LABEL] = Field(default=None, description="What the data may be used under.")
    revision: Annotated[str | None, Role.LABEL] = Field(default=None, description="The release of the data.")

    @model_validator(mode="after")
    def a_name_and_columns(self) -> "OwnTask":
        if "/" in self.train or self.train.endswith(".tsv"):
            raise ValueError(f"train {self.train!r}: the name of a file without folder and without .tsv is expected")
        columns = [name for name in (self.text, self.pair, self.label) if name is not None]
        if len({*columns}) < len(columns):
            raise ValueError(f"text, pair and label must be columns of their own, not {', '.join(columns)}")
        return self


OWN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
Setting = Literal["zero-shot", "translate-train", "translate-train-all"]


class EvaluationSettings(Section):
    """The settings of an evaluation: one system, tasks, languages, a setting, seeds."""

    system: Annotated[str, Role.RESULT, Derived("the name of the model's folder")] = Field(
        min_length=1, description="What tables call the encoder."
    )
    models: Annotated[list[ModelName], Role.CONTENT, Called("list of folders or names")] = Field(
        min_length=1,
        description="The encoder: the model/ of a run, or any Hugging Face folder or name; several: one for each seed, "
        "of one system.",
    )
    tasks: Annotated[list[str], Role.RESULT] = Field(
        min_length=1,
        description="What is evaluated: xnli, pawsx, xcopa, siqa, udpos, panx, xquad, mlqa, tydiqa, multichecklist, "
        "tatoeba, lareqa, mewslix, sib200, alignment.",
    )
    languages: Annotated[list[str], Role.RESULT] = Field(
        default=[],
        description="The test languages by XTREME's codes; English is always among them; if empty, all with test data.",
    )
    setting: Annotated[Setting, Role.RESULT] = Field(
        default="zero-shot", description="What is trained on: English, each language's translations, or all of these."
    )
    intermediate: Annotated[list[str], Role.RESULT] = Field(
        default=[],
        description="Tasks, or tab-separated files with the columns text and label, to train on first, in this order.",
    )
    num_seeds: Annotated[int, Role.RESULT] = Field(
        default=3, ge=1, description="How many fine-tuning runs each task has, with other seeds."
    )
    first_seed: Annotated[int, Role.RESULT] = Field(default=1, ge=0, description="The first of the seeds.")
    data_root: Annotated[LocalPath | None, Role.PLACE] = Field(
        default=None,
        description="The folder with a folder for each task; null: WEAM_RAY_DATA_ROOT, else data sets of the hub.",
    )
    held_out: Annotated[LocalPath | None, Role.CONTENT] = Field(
        default=None, description="The run whose held-out pairs the task alignment takes; null: the run of the model."
    )
    output: Annotated[OutputPath, Role.PLACE] = Field(
        min_length=1, description="The folder of result.json, report.html and predictions/."
    )
    home: Annotated[OutputPath | None, Role.PLACE] = Field(
        default=None,
        description="The folder of all that jobs leave: stages/, mlflow.db; null: WEAM_RAY_HOME, else the checkout for "
        "jobs/*.py, and the current folder for the command weam-ray.",
    )
    stages: Annotated[StoragePath | None, Role.PLACE] = Field(
        default=None, description="Where features are kept; null: stages/ in the home."
    )
    recipe: Annotated[dict[str, Any], Role.RESULT] = Field(
        default={}, description="Keys of the recipe, for every task."
    )
    recipes: Annotated[dict[str, dict[str, Any]], Role.RESULT, Called("mapping of tasks to keys and values")] = Field(
        default={}, description="Keys of the recipe for one task, which override those for every task."
    )
    own_tasks: Annotated[dict[str, OwnTask], Role.RESULT, Called("mapping of names to tasks")] = Field(
        default={}, description="Tasks of one's own by name, which `tasks` and `intermediate` then know."
    )
    seen: Annotated[Literal["mark", "refuse"], Role.PLACE] = Field(
        default="mark",
        description="Test examples that stand in a model's training text: mark: measured and told; refuse: an error.",
    )
    threads: Annotated[int, Role.RESULT, Role.DEVICE] = Field(
        default=1, ge=1, description="How many CPU cores a fine-tuning run has."
    )
    use_gpu: Annotated[bool, Role.RESULT, Role.DEVICE, Younger()] = Field(
        default=False, description="Whether each fine-tuning run has a GPU."
    )
    tracking: TrackingSection = TrackingSection()
    cluster: ClusterSection = ClusterSection()

    @model_validator(mode="after")
    def a_model_for_each_seed(self) -> "EvaluationSettings":
        if len(self.models) not in (1, self.num_seeds):
            raise ValueError(
                f"{len(self.models)} models and num_seeds {self.num_seeds}: give one model, or one for each seed"
            )
        return self

    @model_validator(mode="after")
    def own_tasks_have_names_of_their_own(self) -> "EvaluationSettings":
        for name in self.own_tasks:
            if not OWN_NAME.fullmatch(name):
                raise ValueError(f"own_tasks.{name}: a name has letters, digits, - and _, and begins with a letter")
            if name in type(self).model_fields:
                raise ValueError(f"own_tasks.{name}: this is the name of a key; give the task another")
        return self

    @property
    def seeds(self) -> list[int]:
        return list(range(self.first_seed, self.first_seed + self.num_seeds))

    def model_of(self, seed: int) -> str:
        return self.models[(seed - self.first_seed) % len(self.models)]

    def recipe_of(self, task: str, default: Recipe) -> Recipe:
        """A task's recipe with the settings that are given.

        A micro-batch of the default that does not fit a batch size that is given gives way to the whole batch.

        Raises:
            UserError: an unknown setting, or a wrong value.
        """
        given = self.recipe | self.recipes.get(task, {})
        size = given.get("batch_size", default.batch_size)
        if isinstance(size, int) and size % default.rows_at_once:
            given.setdefault("micro_batch_size", None)
        return validated(Recipe, default.model_dump() | given)
