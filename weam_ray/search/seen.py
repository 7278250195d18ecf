"""What the best model of a search has seen of the text that it was chosen by, and of that which it is reported on."""

from pathlib import Path

from weam_ray.corpus.parts import DEV, TEST
from weam_ray.evaluate.development import planned_task
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.seen import examples_of
from weam_ray.overlap.found import Asked, Overlap
from weam_ray.overlap.record import Record
from weam_ray.pipeline import Data
from weam_ray.search.task_metric import TaskMetric
from weam_ray.search.trial import Trials

Counts = dict[str, dict[str, dict[str, int]]]


def seen_by(trials: Trials, model: Path, data: Data) -> tuple[Counts | None, list[str]]:
    """Count what stands in the training text of a model, or nearly; Ray must be up.

    Returns:
        by part the counts of its language pairs, or under `dev` those of the task's development examples; None for a
        model of an earlier version, of which that is not known. Then what was found, and what is not known, in
        sentences.
    """
    record = Record.beside(str(model))
    if record is None:
        return None, [f"{model} has no record of its training text, so nothing is known of its having seen others."]
    config, task = trials.config, TaskMetric.of(trials.config)
    stores, cpus = [trials.home.store], config.cluster.data_cpus
    if task is None:
        found = Overlap.find(Asked.of_held_out(data.corpus, config.corpus.held_out_seed), [record], stores, cpus)
        return {TEST: found.of_part(TEST), DEV: found.of_part(DEV)}, found.sentences("held-out pairs")
    planned = planned_task(task.task, None if task.data_root is None else Path(task.data_root), task.recipe)
    asked = Asked({planned.task.name: examples_of(planned, ENGLISH, DEV)})
    found = Overlap.find(asked, [record], stores, cpus)
    return {DEV: found.counts()}, found.sentences("development examples")
