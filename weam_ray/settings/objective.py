"""The section `objective` of the configuration, and values that change by step."""

from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, field_validator, model_validator

from weam_ray.settings.base import Called, OnlyFor, Role, Section, Spends, marks, written

Form = Literal["pairs", "sentences", "words"]

# the form in which each objective takes the rows of a batch (see `batches.forms`); `objectives.table` has their classes
FORMS: dict[str, Form] = {"mlm": "sentences", "tlm": "pairs", "weam": "pairs", "word_aligned": "words"}
MIXTURE = "mixture"
NAMES = (*FORMS, MIXTURE)


def check_schedule(given: Any) -> Any:
    """A number, or points `[[step, value], ...]` by rising steps."""
    if type(given) in (int, float):
        return float(given)
    whole = isinstance(given, list) and all(
        isinstance(point, list | tuple) and len(point) == 2 and type(point[0]) is int and type(point[1]) in (int, float)
        for point in given
    )
    if not given or not whole:
        raise ValueError(f"a number is expected, or points [[step, value], ...], not {given!r}")
    steps = [point[0] for point in given]
    if steps[0] < 1 or any(later <= earlier for earlier, later in pairwise(steps)):
        raise ValueError(f"the steps of the points must rise from 1 on, but they are {steps}")
    return [(point[0], float(point[1])) for point in given]


Schedule = Annotated[
    float | list[tuple[int, float]],
    BeforeValidator(check_schedule),
    Called("number, or points [[step, value], ...]"),
]


def value_at(schedule: Schedule, step: int) -> float:
    """The value of a step, from 1: linear between the points, constant before the first and after the last."""
    if isinstance(schedule, list):
        return float(np.interp(step, [point[0] for point in schedule], [point[1] for point in schedule]))
    return float(schedule)


def values(schedule: Schedule) -> list[float]:
    """The values at the points of a schedule; all others lie between them."""
    return [point[1] for point in schedule] if isinstance(schedule, list) else [float(schedule)]


PREDICTIONS = Spends("trials predict other numbers of words", told=True)


class ObjectiveSection(Section):
    """The objective of pre-training: what the encoder predicts, or which states it brings together.

    WEAM is that of Yang et al. 2021, Figure 1, with choices of our own where the figure is silent. `lambda` and
    `mask_probability` are numbers, or points `[[step, value], ...]` with straight lines between them.
    """

    name: Annotated[str, Role.RESULT, Called(f"{', '.join(FORMS)} or {MIXTURE}")] = Field(
        default="weam",
        min_length=1,
        description="What is learned: masked words (mlm), those of pairs (tlm), of pairs with linked words exchanged "
        "(weam), equal states of linked words (word_aligned), or several of these (mixture).",
    )
    mixture: Annotated[dict[str, float] | None, Role.RESULT, OnlyFor(MIXTURE)] = Field(
        default=None, description="For the name mixture, the weight of each objective in the loss."
    )
    lambda_: Annotated[Schedule, Role.RESULT, OnlyFor("weam")] = Field(
        default=1.0, alias="lambda", description="The weight of cross-lingual prediction in WEAM's loss."
    )
    normalize: Annotated[bool, Role.RESULT, OnlyFor("weam")] = Field(
        default=False, description="Whether WEAM's loss is divided by 1 + lambda."
    )
    mask_probability: Annotated[Schedule, Role.RESULT, PREDICTIONS] = Field(
        default=0.15, description="The probability that a token, or a word, is chosen to be predicted."
    )
    masking: Annotated[Literal["subword", "whole_word", "aligned"], Role.RESULT, PREDICTIONS] = Field(
        default="subword",
        description="What is chosen to be predicted: single subwords, all subwords of a word, or words with links.",
    )
    sentence_order: Annotated[Literal["random", "fixed"], Role.RESULT] = Field(
        default="random", description="Which sentence of a pair comes first: either, by chance, or always the source."
    )
    anchor_language: Annotated[str, Role.RESULT, OnlyFor("word_aligned")] = Field(
        default="en",
        min_length=1,
        description="The language whose states word_aligned holds where the initial encoder has them.",
    )
    anchor_weight: Annotated[float, Role.RESULT, OnlyFor("word_aligned")] = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="The weight of the term that keeps them near the initial ones.",
    )

    @field_validator("name")
    @classmethod
    def known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
        return name

    @field_validator("lambda_")
    @classmethod
    def not_negative(cls, schedule: Schedule) -> Schedule:
        if not all(0 <= value < float("inf") for value in values(schedule)):
            raise ValueError(f"values must be 0 or more, but they are {values(schedule)}")
        return schedule

    @field_validator("mask_probability")
    @classmethod
    def between_zero_and_one(cls, schedule: Schedule) -> Schedule:
        if not all(0 < value < 1 for value in values(schedule)):
            raise ValueError(f"values must lie between 0 and 1, but they are {values(schedule)}")
        return schedule

    @model_validator(mode="after")
    def mixture_fits(self) -> "ObjectiveSection":
        if (self.name == MIXTURE) != (self.mixture is not None):
            raise ValueError("name: mixture and the weights of mixture go together, as in {mlm: 0.5, weam: 1.0}")
        for name, weight in (self.mixture or {}).items():
            if name not in FORMS:
                raise ValueError(f"mixture.{name}: {name!r} is none of {', '.join(FORMS)}")
            if not 0 <= weight < float("inf"):
                raise ValueError(f"mixture.{name}: a weight must be 0 or more, but it is {weight}")
        if self.mixture is not None and not self.members:
            raise ValueError("mixture: at least one weight must be above 0")
        return self

    @property
    def idle(self) -> set[str]:
        """Keys, as users write them, that change nothing for the objectives that take part."""
        taking_part = {*self.members} | ({MIXTURE} if self.mixture else set())
        return {
            written(name, field)
            for name, field in type(self).model_fields.items()
            for mark in marks(field, OnlyFor)
            if not mark.names & taking_part
        }

    @property
    def members(self) -> dict[str, float]:
        """The objectives that take part, in the order of the table, with their weights."""
        if self.mixture is None:
            return {self.name: 1.0}
        return {name: self.mixture[name] for name in FORMS if self.mixture.get(name, 0.0) > 0}


def forms(settings: ObjectiveSection) -> list[Form]:
    """The form of the rows that each member of an objective takes, in their order."""
    return [FORMS[name] for name in settings.members]
