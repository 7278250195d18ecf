"""What a kind of task asks of an encoder: features of rows, a model with a head, and predictions out of its outputs."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.errors import UserError
from weam_ray.evaluate.settings import Recipe

Outputs = Sequence[NDArray[np.float32]]


class Kind(Protocol):
    """One of the kinds; its rows have the schema of that name in `tasks.reading`, `head` is its class of models."""

    head: str

    def gold(self, rows: pa.Table) -> Any:
        """The labels, in the form in which the official metric takes them; None where they are hidden."""
        ...

    def labels(self, rows: pa.Table) -> set[str]:
        """The labels that occur; none for a kind that predicts no label of a set."""
        ...

    def features(
        self, rows: pa.Table, tokenizer: Any, recipe: Recipe, labels: Sequence[str], training: bool
    ) -> tuple[pa.Table, dict[str, int]]:
        """What the model takes, and rejected rows by reason. `row`, (features,): the row that a feature comes from.

        Outside training no row is rejected: each has a prediction.
        """
        ...

    def model(self, path: str, labels: Sequence[str]) -> Any:
        """The encoder with a new head."""
        ...

    def collator(self, tokenizer: Any) -> Any:
        """Features to a padded batch."""
        ...

    def predictions(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe, labels: Sequence[str]
    ) -> Any:
        """One for each row, in the form in which the official metric and the task's file take them."""
        ...


def in_order(found: NDArray[Any], features: pa.Table) -> list[int]:
    """What was found for each feature, by row; features may stand in another order, one for each row."""
    return [int(number) for number in found[np.argsort(features["row"].to_numpy())]]


def check_head(head: str, config: Any, what: str) -> None:
    """See that models of a configuration come with a head.

    Raises:
        UserError: they do not.
    """
    import transformers

    if type(config) not in getattr(transformers, head)._model_mapping:
        raise UserError(f"{what}: there is no {head} for models of the type {config.model_type!r}.")


def load_model(model_class: Any, path: str, **options: Any) -> Any:
    """An encoder in float32 with a new head; only safetensors or tensors alone are read.

    Raises:
        UserError: no such model, or one that has no head of this kind.
    """
    import torch

    try:
        return model_class.from_pretrained(path, dtype=torch.float32, **options)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"--model {path}: no model for {model_class.__name__} can be loaded: {reason}") from None
