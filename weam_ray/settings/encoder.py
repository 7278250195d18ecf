"""The section `encoder`, and in it `scratch`, the encoder that is built."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from weam_ray.settings.base import Section
from weam_ray.settings.paths import folder_or_name


class ScratchSection(Section):
    """The BERT that `encoder.name: scratch` builds."""

    num_layers: int = Field(default=4, ge=1)
    hidden_size: int = Field(default=256, ge=4)
    num_heads: int = Field(default=4, ge=1)
    intermediate_size: int = Field(default=1_024, ge=4)
    max_positions: int = Field(default=512, ge=8)

    @model_validator(mode="after")
    def heads_divide(self) -> "ScratchSection":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of num_heads {self.num_heads}")
        return self


class EncoderSection(Section):
    """`name`: a Hugging Face name or a local path of a masked language model, or `scratch`."""

    name: str = Field(min_length=1)
    revision: str | None = Field(default=None, description="branch, tag or commit on the hub")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="null: the encoder's own")
    attention: Literal["sdpa", "eager"] | None = Field(
        default=None, description="sdpa: torch's own fused attention; null: that, where the encoder offers it"
    )
    scratch: ScratchSection = ScratchSection()

    @field_validator("name")
    @classmethod
    def same_everywhere(cls, name: str) -> str:
        """The name of a folder as an absolute path; `scratch` is no folder, whatever stands beside the program."""
        return name if name == "scratch" else folder_or_name(name)
