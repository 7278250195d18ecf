"""The sections `optimizer`, `training` and `seeds`."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from weam_ray.settings.base import Derived, Fixed, Role, Section, Spends, Younger
from weam_ray.settings.paths import LocalPath

GPU_LENGTH_MULTIPLE = 16  # rows of this many numbers fill the tiles of tensor cores
GPU_COLLATORS = 2  # one makes a batch of 256 pairs in some 40 ms, and a step takes 60
BUDGET = Fixed("it is the budget that trials are compared at")
COUNTED = Fixed("the workers of a trial are counted before it starts")


class OptimizerSection(Section):
    """AdamW, with a learning rate that warms up and decays."""

    learning_rate: Annotated[float, Role.RESULT] = Field(
        default=5e-5, gt=0, allow_inf_nan=False, description="The highest learning rate."
    )
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Role.RESULT] = Field(
        default=[0.9, 0.999], min_length=2, max_length=2, description="The two decay rates of Adam's moments."
    )
    epsilon: Annotated[float, Role.RESULT] = Field(
        default=1e-8, gt=0, description="Adam's term against divisions by zero."
    )
    weight_decay: Annotated[float, Role.RESULT] = Field(default=0.01, ge=0, description="The weight decay of AdamW.")
    warmup_share: Annotated[float, Role.RESULT] = Field(
        default=0.1, ge=0, le=1, description="The share of the steps over which the learning rate warms up."
    )
    schedule: Annotated[Literal["linear", "constant"], Role.RESULT] = Field(
        default="linear", description="What the learning rate does after its warm-up: fall to 0, or stay."
    )
    max_gradient_norm: Annotated[float, Role.RESULT] = Field(
        default=1.0, ge=0, description="The norm that gradients are clipped to; 0: no clipping."
    )


class TrainingSection(Section):
    """Steps, batches and workers; a batch is `batch_size` pairs over all workers, however many there are."""

    max_steps: Annotated[int, Role.RESULT, BUDGET] = Field(
        default=1_000,
        ge=0,
        description="How many optimizer steps are trained, unless another limit comes first; 0: none, the encoder is "
        "exported as it begins.",
    )
    max_tokens: Annotated[int | None, Role.RESULT, Younger(), BUDGET] = Field(
        default=None, ge=1, description="After how many tokens training ends, padding not counted; null: by max_steps."
    )
    max_predictions: Annotated[int | None, Role.RESULT, Younger(), BUDGET] = Field(
        default=None, ge=1, description="After how many masked tokens training ends; null: by max_steps."
    )
    max_seconds: Annotated[float | None, Role.RESULT, Younger(), BUDGET] = Field(
        default=None,
        gt=0,
        description="After how many seconds of steps training ends, at a result that depends on the machine; null: by "
        "max_steps.",
    )
    batch_size: Annotated[int, Role.RESULT, Spends("a step has other numbers of tokens")] = Field(
        default=32, ge=1, description="How many pairs an optimizer step has, over all workers."
    )
    micro_batch_size: Annotated[int, Role.RESULT, Role.WORKERS, Derived("batch_size / num_workers")] = Field(
        ge=1, description="How many pairs a worker takes in one forward pass; an optimizer step sums up several passes."
    )
    max_length: Annotated[int, Role.RESULT, Fixed("the held-out pairs are cut to it")] = Field(
        default=128,
        ge=8,
        description="How many tokens a pair, or a sentence that stands alone, may have, special ones included; longer "
        "ones are cut.",
    )
    length_multiple: Annotated[int | None, Role.RESULT, Younger()] = Field(
        default=None,
        ge=1,
        description="What number the lengths of batches are padded to multiples of, so that there are few shapes; "
        "null: 16 on a GPU, 1 on CPUs.",
    )
    sampling_temperature: Annotated[float, Role.RESULT] = Field(
        default=1.0,
        ge=1,
        description="How language pairs are sampled: 1 by their sizes; above 1, small ones more often than by size.",
    )
    checkpoint_steps: Annotated[int, Role.RESULT] = Field(
        default=500, ge=1, description="After how many steps a checkpoint is written."
    )
    num_workers: Annotated[int, Role.RESULT, Role.WORKERS, COUNTED] = Field(
        default=1, ge=1, description="How many workers train, each a process."
    )
    threads_per_worker: Annotated[
        int, Role.RESULT, Role.WORKERS, COUNTED, Derived("two cores, shared by all workers")
    ] = Field(ge=1, description="How many CPU cores a worker has.")
    zero_stage: Annotated[Literal[0, 1, 2, 3], Role.RESULT, Role.WORKERS] = Field(
        default=0,
        description="What the workers share out between them, by DeepSpeed's ZeRO: nothing, the optimizer's state, the "
        "gradients too, the weights too.",
    )
    precision: Annotated[Literal["fp32", "tf32", "bf16"], Role.RESULT, Role.WORKERS] = Field(
        default="fp32",
        description="The precision of matrix products: float32, on a GPU also the shorter tf32, or bfloat16; weights "
        "are float32.",
    )
    gradient_checkpointing: Annotated[bool, Role.RESULT] = Field(
        default=False,
        description="Whether only the inputs of layers are kept, and the rest is computed twice: less memory, more "
        "time.",
    )
    compile: Annotated[bool, Role.RESULT] = Field(
        default=False, description="Whether the encoder is compiled by torch.compile."
    )
    cuda_graphs: Annotated[bool | None, Role.RESULT, Younger()] = Field(
        default=None,
        description="Whether passes of the encoder on a GPU are recorded once for each shape, and played back, which "
        "makes small batches faster; null: where a run can.",
    )
    use_gpu: Annotated[bool, Role.RESULT, COUNTED] = Field(default=False, description="Whether each worker has a GPU.")
    continue_from: Annotated[LocalPath | None, Role.RESULT, Fixed("a trial starts from the encoder")] = Field(
        default=None, description="The folder of a run whose last checkpoint a new run goes on from."
    )
    weights_only: Annotated[bool, Role.RESULT] = Field(
        default=False, description="Whether continue_from takes the weights alone, and leaves the optimizer's state."
    )
    collating_processes: Annotated[int | None, Role.MACHINE] = Field(
        default=None,
        ge=0,
        description="How many processes of a worker make the batches of the steps to come; 0: a thread of it does; "
        "null: 2 on a GPU, 0 on CPUs.",
    )
    max_failures: Annotated[int, Role.MACHINE] = Field(
        default=2, ge=0, description="How often workers are started again before the run fails."
    )

    @model_validator(mode="before")
    @classmethod
    def resolve(cls, values: Any) -> Any:
        """Fill in what follows from other keys, so that the resolved tree shows the numbers that are used."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        batch_size, num_workers = values.get("batch_size", 32), values.get("num_workers", 1)
        usable = isinstance(batch_size, int) and isinstance(num_workers, int) and num_workers > 0
        if values.get("micro_batch_size") is None:
            values["micro_batch_size"] = max(1, batch_size // num_workers) if usable else 1
        if values.get("threads_per_worker") is None:
            values["threads_per_worker"] = max(1, 2 // num_workers) if usable else 1
        return values

    @model_validator(mode="after")
    def batch_divides(self) -> "TrainingSection":
        per_pass = self.micro_batch_size * self.num_workers
        if self.batch_size % per_pass:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of micro_batch_size x num_workers = "
                f"{self.micro_batch_size} x {self.num_workers} = {per_pass}"
            )
        return self

    @model_validator(mode="after")
    def weights_of_what(self) -> "TrainingSection":
        if self.weights_only and self.continue_from is None:
            raise ValueError("weights_only goes with continue_from, the folder of the run whose weights are meant")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, of which the first that is reached ends the training, by key."""
        limits = {key: getattr(self, key) for key in ("max_steps", "max_tokens", "max_predictions", "max_seconds")}
        return {key: value for key, value in limits.items() if value is not None}

    @property
    def other_limits(self) -> dict[str, float]:
        """Those beside `max_steps`."""
        return {key: value for key, value in self.limits.items() if key != "max_steps"}

    @property
    def accumulation_steps(self) -> int:
        return self.batch_size // (self.micro_batch_size * self.num_workers)

    @property
    def num_collators(self) -> int:
        """How many processes make a worker's batches; 0 for a thread."""
        chosen = self.collating_processes
        return chosen if chosen is not None else GPU_COLLATORS if self.use_gpu else 0

    @property
    def uses_graphs(self) -> bool:
        """Whether the encoder's passes are recorded: not where its weights are shared out, nor where it is compiled
        or keeps its layers' inputs alone.
        """
        able = self.use_gpu and self.zero_stage < 3 and not self.compile and not self.gradient_checkpointing
        return able if self.cuda_graphs is None else self.cuda_graphs and able

    @property
    def padded_to(self) -> int:
        """The number that lengths of batches are multiples of."""
        return self.length_multiple or (GPU_LENGTH_MULTIPLE if self.use_gpu else 1)


class SeedSection(Section):
    """The seeds of what is random, by purpose."""

    data: Annotated[int, Role.RESULT] = Field(
        default=1, ge=0, lt=2**63, description="The seed of the order of rows and sentences."
    )
    masking: Annotated[int, Role.RESULT] = Field(default=2, ge=0, lt=2**63, description="The seed of what is masked.")
    model: Annotated[int, Role.RESULT] = Field(
        default=3, ge=0, lt=2**63, description="The seed of new weights and of dropout."
    )
