"""Classification of a sentence or of a pair."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from weam_ray.encode.tokens import encoded_texts
from weam_ray.evaluate.kinds.base import Outputs, in_order
from weam_ray.evaluate.models import with_new_head
from weam_ray.settings.evaluation import Recipe


class Sentences:
    """A label for each row of one text or two."""

    head = "AutoModelForSequenceClassification"
    gold_column = "label"
    version = 1

    def gold(self, rows: pa.Table) -> list[str] | None:
        return None if rows["label"].null_count else rows["label"].to_pylist()

    def blank(self, rows: pa.Table) -> Any:
        return [""] * rows.num_rows

    def labels(self, rows: pa.Table) -> set[str]:
        return set(rows["label"].drop_null().to_pylist())

    def features(
        self, rows: pa.Table, tokenizer: Any, recipe: Recipe, labels: Sequence[str], training: bool
    ) -> tuple[pa.Table, dict[str, int]]:
        # of two texts the longer loses tokens from its end
        texts = [rows[side].to_pylist() for side in ("text", "pair") if side == "text" or not rows[side].null_count]
        encoded = encoded_texts(tokenizer, *texts, truncation=True, max_length=recipe.max_length)
        columns = {name: encoded[name] for name in tokenizer.model_input_names if name in encoded}
        columns["row"] = list(range(rows.num_rows))
        gold = self.gold(rows)
        if gold is not None:
            numbers = {label: number for number, label in enumerate(labels)}
            columns["labels"] = [numbers.get(label, -100) for label in gold]
        return pa.table(columns), {}

    def model(self, path: str, labels: Sequence[str], recipe: Recipe) -> Any:
        return with_new_head(self.head, path, num_labels=len(labels), problem_type="single_label_classification")

    def collator(self, tokenizer: Any) -> Any:
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(tokenizer)

    def predictions(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe, labels: Sequence[str]
    ) -> list[str]:
        best = in_order(outputs[0].argmax(axis=1), features)
        return [labels[number] for number in best]
