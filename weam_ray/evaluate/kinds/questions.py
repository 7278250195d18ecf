"""Answers to questions: a span of the context."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.kinds.base import Outputs
from weam_ray.evaluate.models import with_new_head
from weam_ray.settings.evaluation import Recipe

NOT_IN_PLACE = "answer_not_in_its_place"
NO_WINDOW = "answer_in_no_window"


class Questions:
    """The text of the best span, cut out of the original context by characters.

    A context that is too long is read in windows that overlap by `stride` tokens (Devlin et al. 2019, section 4.2);
    in training a window without the whole answer points at its first token. Answers compete over all windows.
    """

    head = "AutoModelForQuestionAnswering"
    gold_column = "answers"

    def gold(self, rows: pa.Table) -> list[tuple[str, list[str]]] | None:
        if rows["answers"].null_count:
            return None
        return list(zip(rows["id"].to_pylist(), rows["answers"].to_pylist(), strict=True))

    def blank(self, rows: pa.Table) -> Any:
        return dict.fromkeys(rows["id"].to_pylist(), "")

    def labels(self, rows: pa.Table) -> set[str]:
        return set()

    def features(
        self, rows: pa.Table, tokenizer: Any, recipe: Recipe, labels: Sequence[str], training: bool
    ) -> tuple[pa.Table, dict[str, int]]:
        """A feature is a window. `spans`, flat (2 * tokens): start and end of each token in the context, -1 for others.

        In training a row is rejected whose answer does not stand where it is said to (a translation's), or is longer
        than what neighbouring windows share and in none of them whole.
        """
        chosen: list[int] = list(range(rows.num_rows))
        rejected: dict[str, int] = {}
        if training:
            answers = zip(*(rows[name].to_pylist() for name in ("context", "answers", "starts")), strict=True)
            in_place = [
                bool(found) and context[starts[0] : starts[0] + len(found[0])] == found[0] != ""
                for context, found, starts in answers
            ]
            chosen = [row for row, right in enumerate(in_place) if right]
            rejected = {NOT_IN_PLACE: rows.num_rows - len(chosen), NO_WINDOW: 0}
            if not chosen:
                return pa.table({"row": pa.array([], pa.int64())}), rejected
        own = rows.take(chosen).to_pylist()
        encoded = tokenizer(
            [shortened(row["question"].lstrip(), tokenizer, recipe.max_question) for row in own],
            [row["context"] for row in own],
            truncation="only_second",
            max_length=recipe.max_length,
            stride=check_stride(tokenizer, recipe),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        columns = {name: list(encoded[name]) for name in tokenizer.model_input_names if name in encoded}
        windows = encoded["overflow_to_sample_mapping"]
        columns |= {"row": [chosen[window] for window in windows], "spans": []}
        targets: list[tuple[int, int]] = []
        for number, window in enumerate(windows):
            sequence = encoded.sequence_ids(number)
            spans = tidy(
                [
                    span if part == 1 else (-1, -1)
                    for span, part in zip(encoded["offset_mapping"][number], sequence, strict=True)
                ],
                own[window]["context"],
            )
            columns["spans"].append([place for span in spans for place in span])
            if training:
                start = own[window]["starts"][0]
                targets.append(target(spans, start, start + len(own[window]["answers"][0])))
        if not training:
            return pa.table(columns), {}
        columns["start_positions"] = [start for start, _ in targets]
        columns["end_positions"] = [end for _, end in targets]
        table = pa.table(columns)
        answered = {row for row, (start, _) in zip(columns["row"], targets, strict=True) if start}
        rejected[NO_WINDOW] = len(chosen) - len(answered)
        return table.filter(pa.array([row in answered for row in columns["row"]])), rejected

    def model(self, path: str, labels: Sequence[str]) -> Any:
        return with_new_head(self.head, path, num_labels=2)  # starts and ends

    def collator(self, tokenizer: Any) -> Any:
        from transformers import DataCollatorWithPadding

        return DataCollatorWithPadding(tokenizer)

    def predictions(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe, labels: Sequence[str]
    ) -> dict[str, str]:
        best = {row: answers[0][0] for row, answers in self.num_best(outputs, features, rows, recipe).items()}
        return {name: best[row] for row, name in enumerate(rows["id"].to_pylist())}

    def num_best(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe
    ) -> dict[int, list[tuple[str, float]]]:
        """The best answers of each row with the sums of their two logits, best first, over all of its windows."""
        contexts = rows["context"].to_pylist()
        found: dict[int, list[tuple[float, int, int]]] = {}
        for number, (row, flat) in enumerate(
            zip(features["row"].to_pylist(), features["spans"].to_pylist(), strict=True)
        ):
            spans = np.asarray(flat, np.int64).reshape(-1, 2)
            found.setdefault(row, []).extend(
                best_spans(outputs[0][number, : len(spans)], outputs[1][number, : len(spans)], spans, recipe)
            )
        return {
            row: [
                (contexts[row][start:end], score)
                for score, start, end in sorted(spans, key=lambda span: (-span[0], span[1], span[2]))[: recipe.num_best]
            ]
            for row, spans in found.items()
        }


def shortened(question: str, tokenizer: Any, max_tokens: int) -> str:
    """A question up to the character where its last token that is kept ends, or where the next begins if earlier."""
    spans = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(spans) <= max_tokens:
        return question
    return question[: min(spans[max_tokens - 1][1], spans[max_tokens][0])]


def check_stride(tokenizer: Any, recipe: Recipe) -> int:
    """The stride, if the longest question leaves it room.

    Raises:
        UserError: it does not.
    """
    room = recipe.max_length - recipe.max_question - tokenizer.num_special_tokens_to_add(pair=True)
    if recipe.stride >= room:
        window = f"a window of max_length {recipe.max_length} with a question of max_question {recipe.max_question}"
        if room < 2:
            raise UserError(f"{window} has no room for the context; raise max_length, or lower max_question.")
        raise UserError(
            f"stride {recipe.stride}: {window} has room for {room} tokens of the context; the stride must be smaller."
        )
    return recipe.stride


def tidy(spans: Sequence[tuple[int, int]], context: str) -> list[tuple[int, int]]:
    """Trim and extend the spans of tokens to what a reader sees.

    SentencePiece takes the space before a word into the word's first span: it is dropped. A normalizer that composes
    "e" and U+0301 leaves the combining mark in no span: the span is extended over it.
    """
    found = []
    for place, (first, last) in enumerate(spans):
        start, end = first, last
        if first >= 0:
            following = spans[place + 1][0] if place + 1 < len(spans) else -1
            limit = following if following >= 0 else len(context)
            while start < end and context[start].isspace():
                start += 1
            while end < limit and unicodedata.category(context[end]).startswith("M"):
                end += 1
        found.append((start, end))
    return found


def target(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The first and last token of an answer, or (0, 0) where a window does not hold all of it."""
    inside = [place for place, (first, last) in enumerate(spans) if first >= 0 and last > start and first < end]
    if not inside or spans[inside[0]][0] > start or spans[inside[-1]][1] < end:
        return 0, 0
    return inside[0], inside[-1]


def best_spans(starts: Any, ends: Any, spans: Any, recipe: Recipe) -> list[tuple[float, int, int]]:
    """Score, first and last character of the answers of a window: pairs of the best starts and ends that are in order,
    in the context and not too long; where none is, its single best token.
    """
    inside = np.flatnonzero((spans[:, 0] >= 0) & (spans[:, 1] > spans[:, 0]))
    if not len(inside):
        return [(-np.inf, 0, 0)]
    firsts = inside[np.argsort(-starts[inside], kind="stable")[: recipe.num_best]]
    lasts = inside[np.argsort(-ends[inside], kind="stable")[: recipe.num_best]]
    found = [
        (float(starts[first] + ends[last]), int(spans[first, 0]), int(spans[last, 1]))
        for first in firsts
        for last in lasts
        if first <= last < first + recipe.max_answer
    ]
    single = inside[np.argmax(starts[inside] + ends[inside])]
    return found or [(float(starts[single] + ends[single]), int(spans[single, 0]), int(spans[single, 1]))]
