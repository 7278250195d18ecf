"""What stands beside a score to be above: the figure of predicting always what is most frequent in training, or chance.

A classification is compared with its majority class, by the official metric: of sentences and choices the most frequent
label of the training data, of words the most frequent tag. Retrieval of one translation among candidates is compared
with chance. Spans, links, and rankings with several targets have neither.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.planned import Planned
from weam_ray.evaluate.run import languages_of_runs
from weam_ray.measure.by_layer import SENTENCES

CLASSES = ("sentences", "choice", "tokens")  # kinds that predict one of some classes


@dataclass(frozen=True)
class Majority:
    """The figure of a language in percent, and the class that it is of; None where it is chance."""

    figure: float
    label: str | None = None


Majorities = dict[str, dict[str, Majority]]  # by task and language


def majorities(plan: EvaluationPlan) -> Majorities:
    """Score the majority class, or chance, on the test rows of a plan, which must still have them.

    The training data are all those of the languages that a run trains on, also where each seed draws some of them.
    Languages whose labels are hidden, and tasks that have neither, are left out.
    """
    found = {planned.task.name: majority_of(planned, plan.settings.setting) for planned in plan.tasks}
    return {task: own for task, own in found.items() if own}


def majority_of(planned: Planned, setting: str) -> dict[str, Majority]:
    """The same of one task, by language."""
    task, found = planned.task, dict[str, Majority]()
    golds = {code: planned.data.gold(planned.tables["test", code], code) for code in planned.tests}
    if task.kind == "nearest":
        for code, gold in golds.items():
            if gold is not None:
                found[code] = Majority(100 / sum(table.num_rows for table in planned.data.candidates(code)))
    if task.kind in CLASSES:
        for _, trains_on, tests in languages_of_runs(setting, planned.tests):
            label = most_frequent(labels_of(planned, trains_on))
            for code in tests:
                if golds[code] is not None:
                    parts = task.score(golds[code], always(label, golds[code]), code)
                    found[code] = Majority(parts[task.metric].percent, str(label))
    return found


def chance_of_pairs(folder: Path, measured: Sequence[dict[str, Any]]) -> Majorities:
    """Chance of sentence retrieval, where each held-out pair is a candidate, of what an evaluation has measured.

    Args:
        folder: that of the evaluation.
        measured: records of alignment runs; all models are measured on as many pairs.
    """
    found: dict[str, Majority] = {}
    for record in measured[:1]:
        for part in record["parts"]:
            for name in part["scores"] if part["task"] == SENTENCES else ():
                examples = folder / "examples" / SENTENCES / str(record["number"]) / f"{name}.parquet"
                found[name] = Majority(100 / pq.read_metadata(examples).num_rows)
    return {SENTENCES: found} if found else {}


def labels_of(planned: Planned, codes: Sequence[str]) -> Iterable[Any]:
    """The labels, or the tags one by one, of the training rows of some languages."""
    kind = KINDS[planned.task.kind]
    rows = chain.from_iterable(kind.gold(planned.tables["train", code]) for code in codes)
    return chain.from_iterable(rows) if planned.task.kind == "tokens" else rows


def most_frequent(labels: Iterable[Any]) -> Any:
    """The most frequent of some labels; of several the first in the order of the alphabet, or of numbers."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def always(label: Any, gold: Sequence[Any]) -> list[Any]:
    """The prediction of one label for every row, or for every word of each sentence."""
    return [[label] * len(own) if isinstance(own, list) else label for own in gold]
