"""From the records of runs to the result of an evaluation: mean, spread and every seed, by task and language."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.statistics import summary

Result = dict[str, dict[str, dict[str, Any]]]
Records = Sequence[dict[str, Any]]


def evaluation_result(records: Records, metrics: dict[str, str], tests: dict[str, dict[str, str]]) -> Result:
    """Task, language, then `mean`, `std` (n - 1; null for one value) and `per_seed` of the main metric, in percent.

    `metrics` has them for every metric of the task. Languages whose labels are hidden are left out.

    Args:
        records: of all runs, as `running.finish` leaves them.
        metrics: the main metric of each task.
        tests: for each task its languages in order, with the fingerprint of their test rows.
    """
    result: Result = {}
    for task, metric in metrics.items():
        own = sorted((record for record in records if record["task"] == task), key=lambda record: record["number"])
        for code, fingerprint in tests[task].items():
            scores = [record["scores"][code] for record in own if code in record["scores"]]
            if scores:
                figures = {name: spread([score[name] for score in scores]) for name in scores[0]}
                result.setdefault(task, {})[code] = {
                    **figures[metric],
                    "metric": metric,
                    "metrics": figures,
                    "data": fingerprint,
                }
    return result


def spread(values: Sequence[float]) -> dict[str, Any]:
    found = summary(values)
    return {"mean": found.mean, "std": found.std, "per_seed": list(found.per_seed)}


def overview(result: Result) -> dict[str, dict[str, Any]]:
    """For each task: the average without English by seed, English minus that (the cross-lingual gap), the worst
    language; what cannot be had is None.
    """
    found = {}
    for task, languages in result.items():
        others = {code: entry for code, entry in languages.items() if code != ENGLISH}
        average = gap = worst = None
        if others:
            by_seed = np.mean([entry["per_seed"] for entry in others.values()], axis=0)
            average = spread(by_seed.tolist())
            code = min(others, key=lambda code: others[code]["mean"])
            worst = {"language": code, **{key: others[code][key] for key in ("mean", "std", "per_seed")}}
            if ENGLISH in languages:
                gap = spread((np.asarray(languages[ENGLISH]["per_seed"]) - by_seed).tolist())
        found[task] = {"average_without_english": average, "cross_lingual_gap": gap, "worst_language": worst}
    return found


def pretraining_seed(model: str) -> int | None:
    """The model seed of the run of ours that a model was exported from, if it was."""
    from weam_ray.config import load_config

    file = Path(model).expanduser().absolute().parent / "config.yaml"
    return load_config(str(file)).seeds.model if file.is_file() else None
