"""Which languages each task of a study has scores in, as far as that shows before its encoders are there."""

from collections.abc import Sequence
from pathlib import Path

from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.run import ALIGNMENT
from weam_ray.evaluate.tasks import task_of
from weam_ray.measure.by_layer import GOLD, SENTENCES, WORDS
from weam_ray.measure.pairs import gold_sets, name_of_pair
from weam_ray.settings.study import ALL, StudySettings
from weam_ray.study.cells import Matrix, tasks_named
from weam_ray.study.systems import Configurations, systems_of
from weam_ray.study.table import Score, Scores


def languages_of_tasks(matrix: Matrix) -> dict[str, tuple[str, ...]]:
    """The languages of each task; of one that is measured on pairs which only their files tell, those that claims name.

    Raises:
        UserError: a task's data, or a language of them, is not there.
    """
    settings = matrix.settings
    own = matrix.evaluation("encoder", (), settings.settings[0], None, settings.tasks)
    root = None if own.data_root is None else Path(own.data_root)
    found: dict[str, tuple[str, ...]] = {}
    for name in settings.tasks:
        if name == ALIGNMENT:
            pairs = languages_of_pairs(settings)
            found |= {SENTENCES: pairs, WORDS: pairs, GOLD: tuple(each.name for each in gold_sets(root))}
        else:
            found[name] = TaskData.found(task_of(name, own.own_tasks, root), root).tested(own.languages)
    return {name: codes for name, codes in found.items() if codes}


def languages_of_pairs(settings: StudySettings) -> tuple[str, ...]:
    """The languages of the held-out pairs that the encoders of a study are measured on."""
    trained = [system for system in systems_of(settings) if system.overrides is not None]
    configurations = Configurations(settings)
    base = configurations.of_base()
    if settings.evaluation.get("held_out"):
        return languages_in_claims(settings)
    if base is None and not trained:
        return ()
    config = base or configurations.of(trained[0], 1, None)
    return tuple(dict.fromkeys(name_of_pair(source.languages) for source in config.corpus.sources if source.is_paired))


def languages_in_claims(settings: StudySettings) -> tuple[str, ...]:
    """The languages that claims name, by themselves or in groups."""
    named = [code for claim in settings.claims for arm in claim.arms() for code in arm.languages]
    groups = settings.groups
    codes = [code for name in named if name != ALL for code in groups.get(name, [name])]
    return tuple(dict.fromkeys(codes or ["?"]))


def planned_scores(matrix: Matrix, languages: dict[str, tuple[str, ...]]) -> Scores:
    """The scores that a study will have, all of them 0: whether its claims can be answered shows by them."""
    settings = matrix.settings
    found = Scores(metrics=dict.fromkeys(languages, ""))
    for system in systems_of(settings):
        seeds: Sequence[int | None] = (
            range(1, settings.pretraining_seeds + 1) if system.overrides is not None else [None]
        )
        own = [
            Score(0.0, f"{system.name}, {seed}", seed, tuning)
            for seed in seeds
            for tuning in matrix.fine_tuning_seeds(seed)
        ]
        for chain in settings.intermediate:
            for setting in settings.settings:
                tasks = [task for some in matrix.tasks_by_rate(setting).values() for task in some]
                for task in tasks_named(tasks):
                    for code in languages.get(task, ()):
                        found.places[system.name, chain, setting, task, code] = own
    return found
