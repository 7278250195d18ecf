"""The table of objectives: a new one is one file, one line here, and one in `FORMS` beside `ObjectiveSection`."""

from typing import Any

from weam_ray.objectives.mixture import Mixture
from weam_ray.objectives.mlm import MLM
from weam_ray.objectives.tlm import TLM
from weam_ray.objectives.weam import WEAM
from weam_ray.objectives.word_aligned import WordAligned
from weam_ray.settings.objective import MIXTURE, ObjectiveSection

OBJECTIVES = {"mlm": MLM, "tlm": TLM, "weam": WEAM, "word_aligned": WordAligned}


def build_objective(model: Any, settings: ObjectiveSection) -> Any:
    """Build the objective that a configuration names around a masked language model."""
    members = {name: OBJECTIVES[name](model, settings) for name in settings.members}
    return Mixture(members, settings.members) if settings.name == MIXTURE else members[settings.name]
