"""What of a study can be checked before anything is trained: systems, evaluations, their data, and claims."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.run import ALIGNMENT
from weam_ray.evaluate.tasks import intermediate_of, task_of
from weam_ray.settings.evaluation import EvaluationSettings, Recipe, Setting
from weam_ray.settings.study import Claim, StudySettings, arms_of
from weam_ray.store.home import Home
from weam_ray.study.answers import answer
from weam_ray.study.cells import Matrix, tasks_named
from weam_ray.study.coverage import languages_of_tasks, planned_scores
from weam_ray.study.rates import settings_of_trial
from weam_ray.study.systems import Configurations, candidates_of, systems_of


def check_study(settings: StudySettings, home: Home) -> None:
    """See that a study can be run, as far as that shows before its encoders are there.

    Raises:
        UserError: a system, a task, its data or a claim is not what it must be.
    """
    configurations = Configurations(settings)
    base = configurations.of_base()
    placeholder = None if base is None else "base"
    for system in systems_of(settings):
        if system.overrides is not None:
            configurations.of(system, 1, placeholder)
    matrix = Matrix(settings, home, [])
    for chain, setting in product(settings.intermediate.values(), settings.settings):
        for rate, tasks in matrix.tasks_by_rate(setting).items():
            check_data(matrix.evaluation(configurations.encoder(placeholder), chain, setting, rate, tasks))
    for candidate in candidates_of(settings):
        configurations.of(candidate, 1, placeholder)
    if settings.pretraining_rates and not settings_of_trial(settings).tasks:
        raise UserError(
            "pretraining_rates: learning rates are chosen on English development data, and no task of the first "
            "setting is trained; leave them out, or give such a task."
        )
    scores = planned_scores(matrix, languages_of_tasks(matrix))
    for claim in settings.claims:
        check_claim(claim, settings)
        try:
            answer(claim, settings, scores)
        except UserError as error:
            raise UserError(f"claims, {claim.name}: {error}") from None


def check_data(settings: EvaluationSettings) -> None:
    """See that the data of all tasks are there, and recipes are what they must be.

    Raises:
        UserError: they are not.
    """
    root = None if settings.data_root is None else Path(settings.data_root)
    if root is not None and not root.is_dir():
        raise UserError(f"data_root: there is no folder {str(root)!r}.")
    for name in settings.tasks:
        if name != ALIGNMENT:
            data = TaskData.found(task_of(name, settings.own_tasks, root), root)
            check_translations(data, data.tested(settings.languages), settings.setting)
        settings.recipe_of(name, Recipe())
    for name in settings.intermediate:
        TaskData.found(intermediate_of(name, settings.own_tasks, root), root, tested=False)


def check_translations(data: TaskData, tests: Sequence[str], setting: Setting) -> None:
    """See that a task which trains on each language has what it trains on.

    Raises:
        UserError: a language that is tested has no training data.
    """
    for code in tests if setting != "zero-shot" and data.task.trained else ():
        if not data.has("train", language(code)):
            raise UserError(
                f"{data.task.name}: no training data for {code} in the form '{data.layout_name}', which {setting} "
                "needs; leave the language or the task out (tasks_of_settings)."
            )


def check_claim(claim: Claim, settings: StudySettings) -> None:
    """See that a claim speaks of what the study has.

    Raises:
        UserError: it names something else.
    """
    systems = [system.name for system in systems_of(settings)]
    known: dict[str, list[str]] = {
        "system": systems,
        "intermediate": list(settings.intermediate),
        "setting": list(settings.settings),
        "tasks": tasks_named(settings.tasks),
    }
    for name in claim.systems:
        if name not in systems:
            raise unknown(claim, "systems", name, systems)
    for arm in claim.arms():
        for key, names in known.items():
            value = getattr(arm, key)
            for name in value if isinstance(value, list) else [value] if value else []:
                if name not in names:
                    raise unknown(claim, key, name, names)
    for contrast in (claim.contrast(),) if claim.relation != "correlated" else ():
        if any(arm.system is None for _, arm in arms_of(contrast)):
            raise UserError(f"claims, {claim.name}: each side needs a system, of its own or by `on`.")


def unknown(claim: Claim, key: str, name: str, names: list[str]) -> UserError:
    return UserError(f"claims, {claim.name}: {key} {name!r} is none of the study's ({', '.join(names)}).")
