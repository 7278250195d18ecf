"""The settings that the command line of the evaluation job stands for."""

import os
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.evaluate.run import ALIGNMENT
from weam_ray.evaluate.tasks import TASKS
from weam_ray.jobs.command_line import Options
from weam_ray.settings.config import read_file
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.settings.parsing import apply_override, validated
from weam_ray.settings.paths import absolute


def evaluation_settings(options: Options) -> EvaluationSettings:
    """The settings of a command line: of a file if one is named, then flags, then overrides.

    Raises:
        UserError: an option that is missing, an unknown key, a wrong value.
    """
    tree: dict[str, Any] = {} if options.config is None else read_file(Path(options.config).expanduser())
    tree |= options.values()
    tree.setdefault("recipes", {})
    of_recipes = []
    for override in options.overrides:
        key = override.partition("=")[0].partition(".")[0]
        if key in EvaluationSettings.model_fields:
            apply_override(tree, override)
        else:
            of_recipes.append((key, override))
    for flag, key in (("--model", "models"), ("--tasks", "tasks"), ("--output", "output")):
        if not tree.get(key):
            raise UserError(f"{flag} is missing.")
    named = {*listed(tree, "tasks"), *(Path(name).stem for name in listed(tree, "intermediate"))}
    own = tree.get("own_tasks")
    known = {*TASKS, ALIGNMENT, *(own if isinstance(own, dict) else ())}
    for task, override in of_recipes:
        if task in known - named:
            raise UserError(f"{override!r}: {task} is not among the tasks.")
        apply_override(tree["recipes"] if task in named else tree, override)
    tree["data_root"] = tree.get("data_root") or os.environ.get("WEAM_RAY_DATA_ROOT")
    tree["system"] = tree.get("system") or system_name(next(iter(listed(tree, "models")), "."))
    return validated(EvaluationSettings, tree)


def listed(tree: dict[str, Any], key: str) -> list[str]:
    """The names under a key; none where something else stands there, which is told later."""
    value = tree.get(key)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def system_name(model: str) -> str:
    """The name of a model; of a run's `model/`, that of the run."""
    path = Path(absolute(model))
    return path.parent.name if path.name == "model" else path.name
