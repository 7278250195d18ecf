"""Features of an evaluation, made in this process."""

from collections.abc import Callable, Sequence
from typing import Any

from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.features import FeatureStage, submit_features
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.planned import Planned
from weam_ray.evaluate.tables import table_fingerprint
from weam_ray.evaluate.tasks.base import Split
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.stages import StageStore


class Here:
    """Tasks that are done as they are submitted."""

    def submit(self, step: Callable[..., Any], *arguments: Any) -> Any:
        return step(*arguments)

    def share(self, value: Any) -> Any:
        return value


def features_of(
    data: TaskData,
    split: Split,
    codes: Sequence[str],
    recipe: Recipe,
    store: StageStore,
    model: str,
    tokenizer: str = "t",
    seed: int = 1,
) -> Encoded:
    """The features of a split, with the labels that the task knows; `tokenizer` is the fingerprint of the model's."""
    planned = Planned(data, recipe, tables={(split, code): data.read(split, code) for code in codes})
    rows, task = planned.rows(split, codes, seed), data.task
    stage = FeatureStage(task.kind, split == "train", task.labels, recipe, table_fingerprint(rows), tokenizer)
    encoded = submit_features(stage, Here(), store, rows, model, task.name)
    assert isinstance(encoded, Encoded)
    return encoded
