"""The choice of one continuation of a prompt."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from weam_ray.encode.tokens import encoded_texts
from weam_ray.evaluate.kinds.base import Outputs, in_order
from weam_ray.evaluate.models import with_new_head
from weam_ray.settings.evaluation import Recipe


class Choice:
    """The number of the choice, from 0; all rows of a task have as many choices."""

    head = "AutoModelForMultipleChoice"
    gold_column = "label"
    version = 1

    def gold(self, rows: pa.Table) -> list[int] | None:
        return None if rows["label"].null_count else rows["label"].to_pylist()

    def blank(self, rows: pa.Table) -> Any:
        return [0] * rows.num_rows

    def labels(self, rows: pa.Table) -> set[str]:
        return set()

    def features(
        self, rows: pa.Table, tokenizer: Any, recipe: Recipe, labels: Sequence[str], training: bool
    ) -> tuple[pa.Table, dict[str, int]]:
        choices = rows["choices"].to_pylist()
        width = len(choices[0])
        prompts = [prompt for prompt in rows["prompt"].to_pylist() for _ in range(width)]
        flat = [choice for row in choices for choice in row]
        encoded = encoded_texts(tokenizer, prompts, flat, truncation=True, max_length=recipe.max_length)
        columns = {
            name: [encoded[name][start : start + width] for start in range(0, len(flat), width)]
            for name in tokenizer.model_input_names
            if name in encoded
        }
        columns["row"] = list(range(rows.num_rows))
        gold = self.gold(rows)
        if gold is not None:
            columns["labels"] = gold
        return pa.table(columns), {}

    def model(self, path: str, labels: Sequence[str], recipe: Recipe) -> Any:
        return with_new_head(self.head, path)

    def collator(self, tokenizer: Any) -> Any:
        from transformers import DataCollatorForMultipleChoice

        collate = DataCollatorForMultipleChoice(tokenizer)
        return lambda rows: collate([{**row, "labels": row.get("labels", 0)} for row in rows])

    def predictions(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe, labels: Sequence[str]
    ) -> list[int]:
        return in_order(outputs[0].argmax(axis=1), features)
