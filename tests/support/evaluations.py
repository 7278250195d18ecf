"""Evaluation folders that tests write, and what comparisons say of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weam_ray.errors import UserError
from weam_ray.evaluate.compare import SystemPair, compare

SIZE = 200


def folder_of(
    path: Path,
    tasks: dict[str, dict[str, Sequence[float]]],
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    models: Sequence[str] | None = None,
    pretraining_seeds: Sequence[int | None] | None = None,
    untrained: Sequence[str] = (),
    metric: str = "accuracy",
    size: int = SIZE,
    **about: Any,
) -> Path:
    """An evaluation folder with accuracies near the scores of {task: {language: (seeds,)}}; by default of one model."""
    models = [f"model of {path.name}"] if models is None else models
    result: dict[str, Any] = {}
    for task, languages in tasks.items():
        result[task] = {}
        for language, scores in languages.items():
            told = []
            for place, score in enumerate(scores):
                folder = path / "examples" / task / str(place + 1 if task in untrained else seeds[place])
                folder.mkdir(parents=True, exist_ok=True)
                right = (np.arange(size) >= size - round(score / 100 * size)).astype(float)
                pq.write_table(
                    pa.table({"numerator": right, "denominator": np.ones(size)}), folder / f"{language}.parquet"
                )
                told.append(100 * right.mean())
            result[task][language] = {"metric": metric, "data": "f00d", "mean": np.mean(told), "per_seed": told}
    evaluation = {
        "system": path.name,
        "models": list(models),
        "pretraining_seeds": list(pretraining_seeds or [None] * len(models)),
        "seeds": list(seeds),
        "setting": "zero-shot",
        "intermediate": [],
        "tasks": {task: {"trained": task not in untrained, "metric": metric, "data": "f00d"} for task in tasks},
    }
    (path / "evaluation.json").write_text(json.dumps({**evaluation, **about}))
    (path / "result.json").write_text(json.dumps(result))
    return path


def changed(folder: Path, name: str, *keys: str, value: Any) -> None:
    """Replace a value in a JSON file of a folder; None removes it."""
    tree = json.loads((folder / name).read_text())
    inner = tree
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    (folder / name).write_text(json.dumps(tree))


def of_two(first: Path, second: Path) -> SystemPair:
    (pair,) = compare([first, second], num_resamples=200).pairs
    return pair


FIRST = {"xnli": {"en": (80, 81, 82, 81, 80), "de": (60, 61, 60, 62, 61), "sw": (40, 41, 42, 40, 41)}}
SECOND = {"xnli": {"en": (80, 82, 81, 81, 81), "de": (70, 71, 69.5, 72, 72), "sw": (41, 40, 43, 40, 42)}}


def refusal(*folders: Path) -> str:
    with pytest.raises(UserError) as caught:
        compare(folders, num_resamples=20)
    return str(caught.value)
