"""What a kind of task asks of an encoder: features of rows, a model with a head, and predictions out of its outputs."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.settings.evaluation import Recipe

Outputs = Sequence[NDArray[np.float32]]


class Kind(Protocol):
    """One of the kinds; its rows have the schema of that name in `tasks.reading`, `head` is its class of models.

    `version` is of its features and predictions: what was made by another one does not count.
    """

    head: str
    gold_column: str
    version: int

    def gold(self, rows: pa.Table) -> Any:
        """The labels, in the form in which the official metric takes them; None where they are hidden."""
        ...

    def blank(self, rows: pa.Table) -> Any:
        """Predictions of these rows that say nothing, to count gold labels against."""
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

    def model(self, path: str, labels: Sequence[str], recipe: Recipe) -> Any:
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
