"""The tasks of evaluation, one file each, and the table of them."""

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

MODULES = (xnli, pawsx, xcopa, siqa, udpos, panx, xquad, mlqa, tydiqa, multichecklist, tatoeba, lareqa, mewslix, sib200)
TASKS = {module.TASK.name: module.TASK for module in MODULES}


def task_of(name: str) -> Task:
    """The task of a name.

    Raises:
        UserError: no such task.
    """
    if name not in TASKS:
        raise UserError(f"--tasks: {name!r} is no task; the tasks are {', '.join(TASKS)}.")
    return TASKS[name]


def intermediate_of(name: str) -> Task:
    """The task of a name that trains, or the classification of a labelled file.

    Raises:
        UserError: no such task or file, or a task without training.
    """
    task = TASKS.get(name) or task_of_file(name)
    if not task.trained:
        raise UserError(f"--intermediate {name}: this task has no training.")
    return task
