"""The table of objectives: a new one is one file and one line here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weam_ray.config import ObjectiveSection  # which checks its names against this table

OBJECTIVES = {
    "tlm": ("weam_ray.objectives.tlm", "TLM"),
    "weam": ("weam_ray.objectives.weam", "WEAM"),
}
NAMES = tuple(OBJECTIVES)


def build_objective(model: Any, settings: "ObjectiveSection") -> Any:
    """The objective of a configuration around a masked language model; torch is imported here, not before."""
    module, name = OBJECTIVES[settings.name]
    return getattr(import_module(module), name)(model, settings)
