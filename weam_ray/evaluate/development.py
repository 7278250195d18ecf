"""A task as a development score: an encoder is fine-tuned on English training data, and scored on English development
data. Test data are not read.

    python -m weam_ray.evaluate.development --model MODEL --task sib200 --data-root /data
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray import cli
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.finetune import FineTuned, FineTuning, columns_for_models
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.models import num_layers, tokenizer_of
from weam_ray.evaluate.planned import Planned, known_labels
from weam_ray.evaluate.tables import table_fingerprint
from weam_ray.evaluate.tasks import intermediate_of
from weam_ray.evaluate.tasks.base import Split
from weam_ray.measure.ratio import Parts
from weam_ray.settings.evaluation import Recipe
from weam_ray.settings.parsing import validated


@dataclass(frozen=True)
class InMemory:
    """Rows of a split and their features, of one process."""

    rows: pa.Table
    features: pa.Table

    def dataset(self) -> Any:
        """The columns that the model takes."""
        return columns_for_models(self.features, table_fingerprint(self.features))


def planned_task(name: str, root: Path | None, recipe: dict[str, Any], layers: int | None = None) -> Planned:
    """A task with its English training and development rows.

    Raises:
        UserError: no such task, one without training, no such data, or a recipe that cannot be.
    """
    task = intermediate_of(name)
    data = TaskData.found(task, root, tested=False)
    default = task.recipe if layers is None else task.recipe_for(layers)
    planned = Planned(data, validated(Recipe, default.model_dump() | recipe))
    splits: tuple[Split, ...] = ("train", "dev")
    planned.tables = {(split, ENGLISH): data.read(split, ENGLISH) for split in splits}
    planned.labels = known_labels(planned, planned.tables)
    return planned


def development_parts(
    model: str, name: str, root: Path | None, recipe: dict[str, Any], seed: int, threads: int, use_gpu: bool
) -> Parts:
    """The best epoch's score on the development data, by example.

    Raises:
        UserError: as `planned_task`, or a model that cannot be loaded or has no head for the task.
    """
    planned = planned_task(name, root, recipe, num_layers(model))
    task, tokenizer = planned.task, tokenizer_of(model)
    kind = KINDS[task.kind]

    def encoded(split: Split) -> InMemory:
        rows = planned.rows(split, (ENGLISH,), seed)
        return InMemory(rows, kind.features(rows, tokenizer, planned.recipe, planned.labels, split == "train")[0])

    run = FineTuning(
        task,
        model,
        planned.labels,
        planned.recipe,
        seed,
        encoded("train"),
        encoded("dev"),
        threads=threads,
        use_gpu=use_gpu,
    )
    return FineTuned(run).development_parts()


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="weam_ray.evaluate.development", description=__doc__)
    parser.add_argument("--model", required=True, help="the folder or the name of an encoder")
    parser.add_argument("--task", required=True, help="a task that is trained, or a file with text and label")
    parser.add_argument("--data-root", type=Path, help="the folder with the task's data; without it data sets by name")
    parser.add_argument("--recipe", type=json.loads, default={}, metavar="JSON", help="keys of the recipe")
    parser.add_argument("--seed", type=int, default=1, help="of the head and of the order of examples")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--use-gpu", action="store_true")
    options = parser.parse_args(arguments)
    if not isinstance(options.recipe, dict):
        raise UserError(f"--recipe {json.dumps(options.recipe)}: a JSON object of keys and values is expected.")
    parts = development_parts(
        options.model, options.task, options.data_root, options.recipe, options.seed, options.threads, options.use_gpu
    )
    examples = {"numerator": parts.numerator.tolist(), "denominator": parts.denominator.tolist()}
    print(json.dumps({"score": parts.percent, **examples}))


if __name__ == "__main__":
    cli.run(run)
