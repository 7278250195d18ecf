"""Answers to questions: a span of the context."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from weam_ray.encode.tokens import encoded_texts
from weam_ray.errors import UserError
from weam_ray.evaluate.kinds.base import Outputs
from weam_ray.evaluate.models import with_new_head
from weam_ray.settings.evaluation import Recipe

NOT_IN_PLACE = "answer_not_in_its_place"
NO_WINDOW = "answer_in_no_window"


class Questions:
    """The text of the best span, cut out of the original context by characters.

    A context that is too long is read in windows, each of which begins `stride` tokens after the one before, as those
    of BERT's script for SQuAD do (Devlin et al. 2019, section 4.2), which XTREME's is made from. In training a window
    without the whole answer points at its first token. Answers compete over all windows; each token may begin one only
    where it has the most context.
    """

    version = 2  # of its features and predictions: in 1 `stride` was what windows share

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
        `may_begin`, (tokens): whether the token is one of the context, and no other window has more context for it.

        In training a row is rejected whose answer does not stand where it is said to (a translation's), or is longer
        than what neighbouring windows share and in none of them whole.
        """
        check_stride(tokenizer, recipe)
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
        columns: dict[str, list[Any]] = {}
        targets: list[tuple[int, int]] = []
        for number, windows in enumerate(all_windows(own, tokenizer, recipe)):
            for window, may_begin in zip(windows, most_context(windows, recipe.stride), strict=True):
                spans = tidy(window.spans, own[number]["context"])
                told = {"row": chosen[number], "spans": [place for span in spans for place in span]}
                for name, values in {**window.inputs, **told, "may_begin": may_begin}.items():
                    columns.setdefault(name, []).append(values)
                if training:
                    start = own[number]["starts"][0]
                    targets.append(target(spans, start, start + len(own[number]["answers"][0])))
        if not training:
            return pa.table(columns), {}
        columns["start_positions"] = [start for start, _ in targets]
        columns["end_positions"] = [end for _, end in targets]
        table = pa.table(columns)
        answered = {row for row, (start, _) in zip(columns["row"], targets, strict=True) if start}
        rejected[NO_WINDOW] = len(chosen) - len(answered)
        return table.filter(pa.array([row in answered for row in columns["row"]])), rejected

    def model(self, path: str, labels: Sequence[str], recipe: Recipe) -> Any:
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
        last: dict[int, list[tuple[float, int, int]]] = {}
        names = ("row", "spans", "may_begin")
        for number, (row, flat, begin) in enumerate(zip(*(features[name].to_pylist() for name in names), strict=True)):
            spans = np.asarray(flat, np.int64).reshape(-1, 2)
            starts, ends = (side[number, : len(spans)] for side in outputs[:2])
            found.setdefault(row, []).extend(best_spans(starts, ends, spans, np.asarray(begin, np.bool_), recipe))
            last.setdefault(row, []).append(best_token(starts, ends, spans))
        found = {row: spans or last[row] for row, spans in found.items()}
        return {
            row: [
                (contexts[row][start:end], score)
                for score, start, end in sorted(spans, key=lambda span: (-span[0], span[1], span[2]))[: recipe.num_best]
            ]
            for row, spans in found.items()
        }


@dataclass(frozen=True)
class Window:
    """What a model takes of a window, and the start and end of each of its tokens in the context, -1 for others."""

    inputs: dict[str, list[int]]
    spans: list[tuple[int, int]]

    @property
    def size(self) -> int:
        """How many tokens of the context it has."""
        return sum(start >= 0 for start, _ in self.spans)


def all_windows(rows: Sequence[dict[str, Any]], tokenizer: Any, recipe: Recipe) -> list[list[Window]]:
    """The windows of each row, in the order of its context."""
    questions = [shortened(row["question"].lstrip(), tokenizer, recipe.max_question) for row in rows]
    # the tokenizer is told what windows share, which is more after a short question: here all begin `stride` apart
    by_length: dict[int, list[int]] = {}
    tokens = tokenizer(questions, add_special_tokens=False)["input_ids"] if questions else []
    for number, question in enumerate(tokens):
        by_length.setdefault(len(question), []).append(number)
    found: list[list[Window]] = [[] for _ in rows]
    for length, members in by_length.items():
        room = recipe.max_length - length - tokenizer.num_special_tokens_to_add(pair=True)
        encoded = encoded_texts(
            tokenizer,
            [questions[number] for number in members],
            [rows[number]["context"] for number in members],
            truncation="only_second",
            max_length=recipe.max_length,
            stride=room - recipe.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        names = [name for name in tokenizer.model_input_names if name in encoded]
        for place, member in enumerate(encoded["overflow_to_sample_mapping"]):
            spans = [
                span if part == 1 else (-1, -1)
                for span, part in zip(encoded["offset_mapping"][place], encoded.sequence_ids(place), strict=True)
            ]
            found[members[member]].append(Window({name: encoded[name][place] for name in names}, spans))
    return found


def most_context(windows: Sequence[Window], stride: int) -> list[list[bool]]:
    """For each token of each window of a context, whether that window has the most context for it.

    The context of a token is what stands on its shorter side, and a little of the window's length, as in BERT's script
    for SQuAD; of equal windows the first has it.
    """
    sizes = [window.size for window in windows]
    starts = [number * stride for number in range(len(windows))]
    total = max((start + size for start, size in zip(starts, sizes, strict=True)), default=0)
    scores = np.full((len(windows), total), -np.inf)
    for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        places = np.arange(size)
        scores[number, start : start + size] = np.minimum(places, size - 1 - places) + 0.01 * size
    owner = scores.argmax(axis=0) if total else np.empty(0, np.int64)
    found = []
    for number, window in enumerate(windows):
        of_context = iter((owner[starts[number] : starts[number] + sizes[number]] == number).tolist())
        found.append([next(of_context) if start >= 0 else False for start, _ in window.spans])
    return found


def shortened(question: str, tokenizer: Any, max_tokens: int) -> str:
    """A question up to the character where its last token that is kept ends, or where the next begins if earlier."""
    spans = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(spans) <= max_tokens:
        return question
    return question[: min(spans[max_tokens - 1][1], spans[max_tokens][0])]


def check_stride(tokenizer: Any, recipe: Recipe) -> int:
    """The stride, if no token of the context falls between two windows after the longest question.

    Raises:
        UserError: one may.
    """
    room = recipe.max_length - recipe.max_question - tokenizer.num_special_tokens_to_add(pair=True)
    if recipe.stride > room:
        window = f"a window of max_length {recipe.max_length} with a question of max_question {recipe.max_question}"
        if room < 1:
            raise UserError(f"{window} has no room for the context; raise max_length, or lower max_question.")
        raise UserError(
            f"stride {recipe.stride}: {window} has room for {room} tokens of the context; the next window must begin "
            "no more than these after it."
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


def best_spans(starts: Any, ends: Any, spans: Any, may_begin: Any, recipe: Recipe) -> list[tuple[float, int, int]]:
    """Score, first and last character of the answers of a window: pairs of the best starts and ends of all its tokens,
    where they are in order, in the context, not too long, and may begin one.
    """
    inside = (spans[:, 0] >= 0) & (spans[:, 1] > spans[:, 0])
    firsts, lasts = (np.argsort(-logits, kind="stable")[: recipe.num_best] for logits in (starts, ends))
    return [
        (float(starts[first] + ends[last]), int(spans[first, 0]), int(spans[last, 1]))
        for first in firsts
        for last in lasts
        if inside[first] and may_begin[first] and inside[last] and first <= last < first + recipe.max_answer
    ]


def best_token(starts: Any, ends: Any, spans: Any) -> tuple[float, int, int]:
    """The best answer of one token, for a context of which no window has another; an empty one if that has no token."""
    inside = np.flatnonzero((spans[:, 0] >= 0) & (spans[:, 1] > spans[:, 0]))
    if not len(inside):
        return -np.inf, 0, 0
    single = inside[np.argmax(starts[inside] + ends[inside])]
    return float(starts[single] + ends[single]), int(spans[single, 0]), int(spans[single, 1])
