"""The table of objectives: a new one is one file and one line here."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from weam_ray.objectives.settings import ObjectiveSection  # which checks its names against this table


@dataclass(frozen=True)
class Entry:
    """Where an objective is, and in which form it takes the rows (see `encode.forms`)."""

    module: str
    name: str
    form: Literal["pairs", "sentences", "words"]

    def build(self, model: Any, settings: "ObjectiveSection") -> Any:
        """The objective around a masked language model; torch is imported here, not before."""
        return getattr(import_module(self.module), self.name)(model, settings)


OBJECTIVES = {
    "mlm": Entry("weam_ray.objectives.mlm", "MLM", "sentences"),
    "tlm": Entry("weam_ray.objectives.tlm", "TLM", "pairs"),
    "weam": Entry("weam_ray.objectives.weam", "WEAM", "pairs"),
    "word_aligned": Entry("weam_ray.objectives.word_aligned", "WordAligned", "words"),
}
MIXTURE = "mixture"
NAMES = (*OBJECTIVES, MIXTURE)


def build_objective(model: Any, settings: "ObjectiveSection") -> Any:
    """The objective of a configuration around a masked language model."""
    if settings.name == MIXTURE:
        return Entry("weam_ray.objectives.mixture", "Mixture", "pairs").build(model, settings)
    return OBJECTIVES[settings.name].build(model, settings)


def forms(settings: "ObjectiveSection") -> list[str]:
    """The form of the rows that each member of an objective takes, in their order."""
    return [OBJECTIVES[name].form for name in settings.members]
