"""The section `align_job`: what `jobs/align.py` leaves besides links, and the gold links that it compares them with."""

from typing import Annotated

from pydantic import Field, model_validator

from weam_ray.settings.base import Role, Section
from weam_ray.settings.paths import LocalPath


class AlignJobSection(Section):
    """What `jobs/align.py` leaves besides links, and the gold links that it compares them with."""

    scores: Annotated[bool, Role.EXTRA] = Field(
        default=False, description="Whether forward.pharaoh and reverse.pharaoh are written too, with scores."
    )
    pictures: Annotated[list[int], Role.EXTRA] = Field(
        default=[], description="The lines of the text, from 1, whose links are drawn."
    )
    gold: Annotated[LocalPath | None, Role.EXTRA] = Field(
        default=None,
        description="A file of gold links, `i-j` sure and `ipj` possible: a line for every pair, or for the last ones.",
    )
    gold_one_based: Annotated[bool, Role.EXTRA] = Field(
        default=False, description="Whether the gold links count words from 1."
    )
    gold_lines: Annotated[str | None, Role.EXTRA] = Field(
        default=None, description="The lines of the text that the gold is of, START:END as a Python slice."
    )

    @model_validator(mode="after")
    def lines_are_there(self) -> "AlignJobSection":
        if any(line < 1 for line in self.pictures):
            raise ValueError(f"pictures (--picture) {min(self.pictures)}: lines are counted from 1")
        return self

    @model_validator(mode="after")
    def gold_is_named(self) -> "AlignJobSection":
        if self.gold is None and (self.gold_one_based or self.gold_lines):
            raise ValueError("gold_one_based and gold_lines say how to read the file of gold (--gold); name one")
        return self
