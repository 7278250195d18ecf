"""The sections `optimizer`, `training` and `seeds`."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from weam_ray.settings.base import Section
from weam_ray.settings.paths import LocalPath

GPU_LENGTH_MULTIPLE = 16  # rows of this many numbers fill the tiles of tensor cores


class OptimizerSection(Section):
    """AdamW, with linear warm-up and decay of the learning rate."""

    learning_rate: float = Field(default=5e-5, gt=0, allow_inf_nan=False)
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    epsilon: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_share: float = Field(default=0.1, ge=0, le=1, description="share of the steps that warm up")
    schedule: Literal["linear", "constant"] = "linear"
    max_gradient_norm: float = Field(default=1.0, ge=0, description="0 switches clipping off")


class TrainingSection(Section):
    """Steps, batches, workers. The global batch is `batch_size` pairs, whatever the workers."""

    max_steps: int = Field(default=1_000, ge=1)
    batch_size: int = Field(default=32, ge=1, description="pairs of an optimizer step, over all workers")
    micro_batch_size: int = Field(
        ge=1,
        description="pairs of one forward pass; null: batch_size / num_workers, on a GPU as many as fit its memory",
    )
    max_length: int = Field(
        default=128, ge=8, description="tokens of a pair, or of a sentence that stands alone, special ones too"
    )
    length_multiple: int | None = Field(
        default=None, ge=1, description="lengths of batches are padded to multiples of it; null: 16 on a GPU, else 1"
    )
    sampling_temperature: float = Field(default=1.0, ge=1, description="1: by size; larger: small languages more often")
    checkpoint_steps: int = Field(default=500, ge=1)
    num_workers: int = Field(default=1, ge=1)
    threads_per_worker: int = Field(ge=1, description="CPU cores of a worker; null: two cores shared by all")
    zero_stage: Literal[0, 1, 2, 3] = 0
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        default="fp32", description="of products; weights are float32. tf32: float32 with short products, on a GPU"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="keep the inputs of layers alone and compute the rest twice: less memory, more time"
    )
    compile: bool = Field(default=False, description="torch.compile of the encoder")
    use_gpu: bool = False
    continue_from: LocalPath | None = Field(
        default=None, description="folder of a run whose last checkpoint a new run goes on from, with other workers"
    )
    weights_only: bool = Field(default=False, description="continue_from: leave its optimizer state behind")
    max_failures: int = Field(default=2, ge=0, description="restarts of the workers before the run fails")

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
    def accumulation_steps(self) -> int:
        return self.batch_size // (self.micro_batch_size * self.num_workers)

    @property
    def padded_to(self) -> int:
        """The number that lengths of batches are multiples of."""
        return self.length_multiple or (GPU_LENGTH_MULTIPLE if self.use_gpu else 1)


class SeedSection(Section):
    """Seeds by purpose: order of rows and sentences, masks, initial weights and dropout."""

    data: int = Field(default=1, ge=0, lt=2**63)
    masking: int = Field(default=2, ge=0, lt=2**63)
    model: int = Field(default=3, ge=0, lt=2**63)
