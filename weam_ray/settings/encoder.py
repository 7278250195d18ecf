"""The section `encoder`, and in it `scratch`, the encoder that is built."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from weam_ray.settings.base import Fixed, Role, Section, Spends, Younger
from weam_ray.settings.paths import folder_or_name

LARGER = Spends("an encoder of another size takes other amounts of computation")


class ScratchSection(Section):
    """The BERT that `encoder.name: scratch` builds."""

    num_layers: Annotated[int, Role.RESULT, LARGER] = Field(default=4, ge=1, description="How many layers it has.")
    hidden_size: Annotated[int, Role.RESULT, LARGER] = Field(
        default=256, ge=4, description="The width of its states, a multiple of num_heads."
    )
    num_heads: Annotated[int, Role.RESULT] = Field(
        default=4, ge=1, description="How many heads of attention a layer has."
    )
    intermediate_size: Annotated[int, Role.RESULT, LARGER] = Field(
        default=1_024, ge=4, description="The width inside its feed-forward layers."
    )
    max_positions: Annotated[int, Role.RESULT] = Field(
        default=512, ge=8, description="How many tokens a row may have at most."
    )

    @model_validator(mode="after")
    def heads_divide(self) -> "ScratchSection":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of num_heads {self.num_heads}")
        return self


class EncoderSection(Section):
    """The encoder that pre-training starts from."""

    name: Annotated[str, Role.RESULT, Fixed("losses of other words cannot be compared")] = Field(
        min_length=1,
        description="The Hugging Face name or the folder of a masked language model (a folder counts by its content), "
        "or scratch, which builds a new one.",
    )
    revision: Annotated[str | None, Role.RESULT, Fixed("losses of other words cannot be compared")] = Field(
        default=None, description="The branch, tag or commit of a model on the hub."
    )
    weights: Annotated[Literal["pretrained", "random"], Role.RESULT, Younger()] = Field(
        default="pretrained",
        description="Whether a named encoder begins with its weights or, as a control, with random ones.",
    )
    dropout: Annotated[float | None, Role.RESULT] = Field(
        default=None, ge=0, lt=1, description="The dropout probability in training; null: the encoder's own."
    )
    attention: Annotated[Literal["sdpa", "eager"] | None, Role.RESULT] = Field(
        default=None,
        description="How attention is computed: by torch's fused attention (sdpa) or written out (eager); null: sdpa "
        "where the encoder offers it.",
    )
    scratch: ScratchSection = ScratchSection()

    @property
    def begins_anew(self) -> bool:
        """Whether every weight is a random number."""
        return self.name == "scratch" or self.weights == "random"

    @field_validator("name")
    @classmethod
    def same_everywhere(cls, name: str) -> str:
        """The name of a folder as an absolute path; `scratch` is no folder, whatever stands beside the program."""
        return name if name == "scratch" else folder_or_name(name)
