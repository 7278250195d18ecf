"""The tasks of evaluation, one file each, and the table of them."""

from collections.abc import Mapping
from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.evaluate.tasks import (
    lareqa,
    mewslix,
    mlqa,
    multichecklist,
    panx,
    pawsx,
    sib200,
    siqa,
    tatoeba,
    tydiqa,
    udpos,
    xcopa,
    xnli,
    xquad,
)
from weam_ray.evaluate.tasks.base import Task
from weam_ray.evaluate.tasks.labelled import task_of_file
from weam_ray.evaluate.tasks.own import own_task
from weam_ray.measure.by_layer import METRICS
from weam_ray.settings.evaluation import OwnTask

MODULES = (xnli, pawsx, xcopa, siqa, udpos, panx, xquad, mlqa, tydiqa, multichecklist, tatoeba, lareqa, mewslix, sib200)
MEASURED = ("alignment", *METRICS)  # without data of a task: what stands beside tasks in results
NONE: Mapping[str, OwnTask] = {}
TASKS = {module.TASK.name: module.TASK for module in MODULES}


def task_of(name: str, own: Mapping[str, OwnTask] = NONE, root: Path | None = None) -> Task:
    """The task of a name.

    Args:
        own: the tasks that a configuration declares, by name.
        root: the folder that their folders lie in.

    Raises:
        UserError: no such task, or one of the user's own that is not as it should be.
    """
    check_names(own)
    if name in own:
        return own_task(name, own[name], root)
    if name not in TASKS:
        raise UserError(f"--tasks: {name!r} is no task; the tasks are {', '.join([*TASKS, *own])}.")
    return TASKS[name]


def intermediate_of(name: str, own: Mapping[str, OwnTask] = NONE, root: Path | None = None) -> Task:
    """The task of a name that trains, or the classification of a labelled file; the arguments are those of `task_of`.

    Raises:
        UserError: no such task or file, or a task without training.
    """
    task = task_of(name, own, root) if name in TASKS or name in own else task_of_file(name)
    if not task.trained:
        raise UserError(f"--intermediate {name}: this task has no training.")
    return task


def check_names(own: Mapping[str, OwnTask]) -> None:
    """Raises UserError for a task of the user's own that has the name of another."""
    taken = [name for name in own if name in TASKS or name in MEASURED]
    if taken:
        raise UserError(f"own_tasks.{taken[0]}: this is the name of a task that there is; give yours another.")
