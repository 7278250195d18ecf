"""The official metric of predictions: `python -m weam_ray.evaluate.score --task T --labels FILE --predictions FILE`.

Prints one line of JSON with XTREME's keys, in percent.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weam_ray import cli
from weam_ray.errors import UserError
from weam_ray.evaluate.formats import all_blank, check_counts
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import task_of
from weam_ray.evaluate.tasks.base import Task
from weam_ray.evaluate.tasks.own import ANY


def score_files(task: Task, code: str, labels: Path, predictions: Path) -> dict[str, float]:
    """The official metrics of two files in XTREME's forms, in percent.

    Examples on whose label annotators did not agree do not count, whether there are predictions for them or not.

    Raises:
        UserError: no such file, another form, labels that are hidden, or predictions of other examples.
    """
    gold, found = task.form.read_labels(labels), task.form.read(predictions)
    if all_blank(gold):
        raise UserError(f"{labels}: every label is blank; this is a file that hides them.")
    if task.undecided:
        kept = [number for number, label in enumerate(gold) if label not in task.undecided]
        if len(found) == len(gold):
            found = [found[number] for number in kept]
        gold = [gold[number] for number in kept]
    return score(task, code, gold, found, f"{predictions}")


def score(task: Task, code: str, gold: Any, found: Any, what: str) -> dict[str, float]:
    """The official metrics, in percent.

    Raises:
        UserError: predictions of other examples.
    """
    check_counts(gold, found, what)
    return {name: parts.percent for name, parts in task.score(gold, found, code).items()}


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="weam_ray.evaluate.score", description=__doc__)
    parser.add_argument("--task", required=True, metavar="TASK", help="its name; `own` for any of own_tasks")
    parser.add_argument("--language", required=True, metavar="CODE", help="XTREME's code; MLQA's metric depends on it")
    parser.add_argument("--labels", required=True, type=Path, metavar="FILE")
    parser.add_argument("--predictions", required=True, type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    task = ANY if options.task == ANY.name else task_of(options.task)
    entry = language(options.language)
    print(json.dumps(score_files(task, entry.code, options.labels, options.predictions)))


if __name__ == "__main__":
    cli.run(run)
