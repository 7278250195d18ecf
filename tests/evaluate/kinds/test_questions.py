"""Answers as spans of contexts: windows, offsets in the original text, the best over all windows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import TEXTS
from tests.support.lab import write_encoder
from weam_ray.errors import UserError
from weam_ray.evaluate.features import by_length
from weam_ray.evaluate.kinds.questions import (
    NO_WINDOW,
    NOT_IN_PLACE,
    Questions,
    Window,
    best_spans,
    best_token,
    check_stride,
    most_context,
    shortened,
    target,
)
from weam_ray.evaluate.tasks.reading import QUESTIONS
from weam_ray.settings.evaluation import Recipe

BOTH = pytest.mark.parametrize("tokenizer", ["wordpiece", "sentencepiece"], indirect=True)
KIND = Questions()
SMALL = Recipe(max_length=32, stride=8, max_question=8)
Row = tuple[str, str, str, int]  # question, context, answer, start


@pytest.fixture(scope="session")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"id": f"q{number}", "question": question, "context": context, "answers": [answer], "starts": [start]}
            for number, (question, context, answer, start) in enumerate(rows)
        ],
        schema=QUESTIONS,
    )


def spans_of(feature: dict[str, Any]) -> list[tuple[int, int]]:
    return list(zip(feature["spans"][::2], feature["spans"][1::2], strict=True))


def outputs_at(features: pa.Table, scores: dict[int, tuple[int, int, float]]) -> list[np.ndarray]:
    """Logits of starts and ends, high at the places that `scores` gives by feature, padded as the Trainer pads."""
    longest = max(len(ids) for ids in features["input_ids"].to_pylist())
    found = [np.zeros((features.num_rows, longest), np.float32) for _ in range(2)]
    for number, ids in enumerate(features["input_ids"].to_pylist()):
        for logits in found:
            logits[number, len(ids) :] = -100
    for number, (start, end, score) in scores.items():
        found[0][number, start] = found[1][number, end] = score
    return found


@st.composite
def question_rows(draw: st.DrawFn) -> Row:
    """A context of words in many scripts, and some of its words as the answer."""
    words = draw(st.lists(st.sampled_from([word for text in TEXTS for word in text.split()]), min_size=1, max_size=40))
    spaces = draw(st.sampled_from([" ", "  ", "\n", " \u00a0"]))
    first = draw(st.integers(0, len(words) - 1))
    last = draw(st.integers(first, min(len(words) - 1, first + 5)))
    lead = draw(st.sampled_from(["", " ", "\n\n "]))
    context = lead + spaces.join(words)
    start = len(lead) + sum(len(word) + len(spaces) for word in words[:first])
    question = " ".join(words[::-1]) if draw(st.booleans()) else "Is it raining?"
    return draw(st.sampled_from(["", "  "])) + question, context, spaces.join(words[first : last + 1]), start


@BOTH
@settings(max_examples=60)
@given(rows=st.lists(question_rows(), min_size=1, max_size=4), stride=st.integers(1, 16))
def test_an_answer_is_whole_in_some_window_or_rejected(tokenizer: Any, rows: list[Row], stride: int) -> None:
    """Rejected is only one with more tokens than neighbouring windows share; a window without it points at 0."""
    frame = tokenizer.num_special_tokens_to_add(pair=True)
    recipe = SMALL.model_copy(update={"stride": stride})
    features, rejected = KIND.features(table(rows), tokenizer, recipe, (), training=True)
    kept: dict[int, int] = {}
    for feature in features.to_pylist():
        assert len(feature["input_ids"]) <= recipe.max_length
        first, last = feature["start_positions"], feature["end_positions"]
        assert (first == 0) == (last == 0)
        kept[feature["row"]] = kept.get(feature["row"], 0) + (first > 0)
        if first:
            _, context, answer, start = rows[feature["row"]]
            spans = spans_of(feature)
            assert context[spans[first][0] : spans[last][1]].strip() == answer.strip()
            assert spans[first][0] <= start < start + len(answer) <= spans[last][1]
    assert all(kept.values())
    assert rejected == {NOT_IN_PLACE: 0, NO_WINDOW: len(rows) - len(kept)}
    for number, (question, context, answer, start) in enumerate(rows):
        if number not in kept:
            asked = shortened(question.lstrip(), tokenizer, recipe.max_question)
            asked_tokens = len(tokenizer(asked, add_special_tokens=False)["input_ids"])
            shared = recipe.max_length - asked_tokens - frame - stride
            offsets = tokenizer(context, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            assert sum(first < start + len(answer) and last > start for first, last in offsets) > shared


def bert_windows(num_tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Start and length of the windows of a context, by the description in BERT's script for SQuAD."""
    found, start = [], 0
    while True:
        length = min(num_tokens - start, room)
        found.append((start, length))
        if start + length == num_tokens:
            return found
        start += min(length, stride)


def has_most_context(windows: list[tuple[int, int]], number: int, place: int) -> bool:
    """The same of a token of the context in one of the windows."""
    scores = [
        min(place - start, start + length - 1 - place) + 0.01 * length if start <= place < start + length else -1.0
        for start, length in windows
    ]
    return scores.index(max(scores)) == number


@BOTH
@settings(max_examples=60)
@given(rows=st.lists(question_rows(), min_size=1, max_size=4), stride=st.integers(1, 20))
def test_windows_are_those_of_bert(tokenizer: Any, rows: list[Row], stride: int) -> None:
    """Their places, and which of them has the most context for a token, after questions of any length."""
    recipe = SMALL.model_copy(update={"stride": stride})
    features, _ = KIND.features(table(rows), tokenizer, recipe, (), training=False)
    told = features.to_pylist()
    assert [feature["row"] for feature in told] == sorted(feature["row"] for feature in told)
    for number, (question, context, _, _) in enumerate(rows):
        own = [feature for feature in told if feature["row"] == number]
        asked = shortened(question.lstrip(), tokenizer, recipe.max_question)
        asked_tokens = len(tokenizer(asked, add_special_tokens=False)["input_ids"])
        ids = tokenizer(context, add_special_tokens=False)["input_ids"]
        room = recipe.max_length - asked_tokens - tokenizer.num_special_tokens_to_add(pair=True)
        windows = bert_windows(len(ids), room, stride)
        assert len(own) == len(windows)
        for place, (feature, (start, length)) in enumerate(zip(own, windows, strict=True)):
            inside = [k for k, (first, _) in enumerate(spans_of(feature)) if first >= 0]
            assert [feature["input_ids"][k] for k in inside] == ids[start : start + length]
            expected = [has_most_context(windows, place, start + k) for k in range(length)]
            assert [feature["may_begin"][k] for k in inside] == expected
            assert sum(feature["may_begin"]) == sum(expected)


def test_every_token_has_the_most_context_in_one_window() -> None:
    windows = [Window({}, [(-1, -1), *((k, k + 1) for k in range(size)), (-1, -1)]) for size in (9, 9, 4)]
    found = most_context(windows, 5)
    counted = np.zeros(14, int)
    for number, flags in enumerate(found):
        assert (flags[0], flags[-1]) == (False, False)
        counted[5 * number : 5 * number + len(flags) - 2] += np.array(flags[1:-1], int)
    assert counted.tolist() == [1] * 14


@BOTH
@settings(max_examples=40)
@given(rows=st.lists(question_rows(), min_size=1, max_size=4), data=st.data())
def test_windows_cover_the_context_and_predictions_are_its_text(tokenizer: Any, rows: list[Row], data: Any) -> None:
    """Whatever order the features stand in, and whatever window has the answer."""
    given = table(rows)
    features, rejected = KIND.features(given, tokenizer, SMALL, (), training=False)
    assert rejected == {}
    assert "start_positions" not in features.column_names
    features = features.take(data.draw(st.permutations(range(features.num_rows))))
    seen: dict[int, set[int]] = {number: set() for number in range(len(rows))}
    scores: dict[int, tuple[int, int, float]] = {}
    expected: dict[str, str] = {}
    for number, feature in enumerate(features.to_pylist()):
        spans, row = spans_of(feature), feature["row"]
        seen[row] |= {place for first, last in spans for place in range(first, last)}
        _, context, answer, start = rows[row]
        first, last = target(spans, start, start + len(answer))
        if first and feature["may_begin"][first] and last < first + SMALL.max_answer:
            scores[number] = (first, last, 50.0)
            expected[f"q{row}"] = answer
    for number, (_, context, _, _) in enumerate(rows):
        assert seen[number] == {place for place, character in enumerate(context) if not character.isspace()}
    found = KIND.predictions(outputs_at(features, scores), features, given, SMALL, ())
    assert list(found) == [f"q{number}" for number in range(len(rows))]
    assert {name: found[name] for name in expected} == expected


@BOTH
@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("  the cat sat", "the"),
        ("the cafe\u0301 is ﬁne", "cafe\u0301"),
        ("the cafe\u0301 is ﬁne", "ﬁne"),
        ("今天天气很好。", "天气"),
        ("आज बारिश हो रही है।", "बारिश"),
        ("هل العَرَبِيَّة لغة", "العَرَبِيَّة"),
        ("the old  house", "old  house"),
        ("the\nold\u2028house", "old"),
        ("½ of 👩‍👩‍👧‍👦 ran", "👩‍👩‍👧‍👦"),
    ],
)
def test_the_exact_text_of_the_context(tokenizer: Any, context: str, answer: str) -> None:
    given = table([("Is it?", context, answer, context.index(answer))])
    training, rejected = KIND.features(given, tokenizer, Recipe(max_length=64, stride=16, max_question=16), (), True)
    assert not any(rejected.values())
    places = {0: (training["start_positions"][0].as_py(), training["end_positions"][0].as_py(), 9.0)}
    assert KIND.predictions(outputs_at(training, places), training, given, SMALL, ()) == {"q0": answer}


@BOTH
def test_a_very_long_question_is_cut(tokenizer: Any) -> None:
    """To its first tokens, so that the window keeps its room for the context."""
    recipe = Recipe(max_length=32, max_question=8, stride=32 - 8 - tokenizer.num_special_tokens_to_add(pair=True))
    for question in ("the old house " * 50, "ﬁ" * 50, "  " + "今天天气很好" * 30, "👍🏽" * 40, "a" * 500):
        cut = shortened(question.lstrip(), tokenizer, recipe.max_question)
        assert question.lstrip().startswith(cut)
        assert 1 <= len(tokenizer(cut, add_special_tokens=False)["input_ids"]) <= recipe.max_question
        features, _ = KIND.features(table([(question, TEXTS[2] * 3, "cat", 4)]), tokenizer, recipe, (), training=True)
        assert features.num_rows > 1
    assert shortened("the old house", tokenizer, 60) == "the old house"


@BOTH
def test_answers_that_are_not_where_they_should_be(tokenizer: Any) -> None:
    rows = table([("?", "the cat sat", "cat", 3), ("?", "the cat sat", "cat", 4), ("?", "the cat sat", "", 4)])
    rows = pa.concat_tables(
        [
            rows,
            pa.Table.from_pylist(
                [{"id": "q3", "question": "?", "context": "a", "answers": [], "starts": []}], QUESTIONS
            ),
        ]
    )
    features, rejected = KIND.features(rows, tokenizer, SMALL, (), training=True)
    assert features["row"].to_pylist() == [1]
    assert rejected == {NOT_IN_PLACE: 3, NO_WINDOW: 0}
    assert KIND.features(rows, tokenizer, SMALL, (), training=False)[0]["row"].to_pylist() == [0, 1, 2, 3]


def test_no_row_that_can_train(wordpiece: Any) -> None:
    """A file that hides its answers."""
    rows = pa.Table.from_pylist(
        [{"id": "q", "question": "?", "context": "a", "answers": None, "starts": None}], QUESTIONS
    )
    features, rejected = KIND.features(rows, wordpiece, SMALL, (), training=True)
    assert (features.num_rows, rejected) == (0, {NOT_IN_PLACE: 1, NO_WINDOW: 0})


def test_an_answer_longer_than_what_windows_share(wordpiece: Any) -> None:
    context = " ".join(["the cat sat on"] * 20)
    features, rejected = KIND.features(
        table([("?", context, context, 0), ("?", context, "the", 0)]), wordpiece, SMALL, (), training=True
    )
    assert rejected == {NOT_IN_PLACE: 0, NO_WINDOW: 1}
    assert set(features["row"].to_pylist()) == {1}


def test_gold(wordpiece: Any) -> None:
    rows = table([("?", "the cat", "cat", 4)])
    assert KIND.gold(rows) == [("q0", ["cat"])]
    hidden = rows.set_column(3, "answers", pa.array([None], QUESTIONS.field("answers").type))
    assert KIND.gold(hidden) is None
    assert KIND.labels(rows) == set()


def test_windows_without_room() -> None:
    class Frame:
        def num_special_tokens_to_add(self, pair: bool) -> int:
            return 3

    for stride in (1, 21):
        assert check_stride(Frame(), SMALL.model_copy(update={"stride": stride})) == stride
    with pytest.raises(
        UserError, match="stride 22: a window of max_length 32 with a question of max_question 8 has room"
    ):
        check_stride(Frame(), SMALL.model_copy(update={"stride": 22}))
    with pytest.raises(UserError, match="max_question 29 has no room for the context; raise max_length, or lower"):
        check_stride(Frame(), SMALL.model_copy(update={"stride": 1, "max_question": 29}))


class TestBest:
    SPANS = np.array([(-1, -1), (-1, -1), (0, 3), (4, 4), (4, 7), (8, 11), (-1, -1)])

    def best(self, starts: list[float], ends: list[float], **recipe: int) -> list[tuple[float, int, int]]:
        return best_spans(np.array(starts), np.array(ends), self.SPANS, np.ones(7, np.bool_), Recipe(**recipe))

    def test_starts_and_ends_in_order_inside_the_context(self) -> None:
        found = self.best([9, 9, 1, 9, 2, 3, 9], [9, 9, 1, 9, 5, 2, 9])
        assert sorted(found, reverse=True) == [
            (7, 4, 7), (6, 0, 7), (5, 8, 11), (4, 4, 11), (3, 0, 11), (2, 0, 3)
        ]  # fmt: skip

    def test_not_too_long_and_of_the_best_only(self) -> None:
        starts, ends = [0, 0, 1, 0, 2, 3, 0], [0, 0, 1, 0, 5, 2, 0]
        assert sorted(self.best(starts, ends, max_answer=1)) == [(2, 0, 3), (5, 8, 11), (7, 4, 7)]
        assert self.best(starts, ends, num_best=1) == []  # 8 before 7
        assert best_token(np.array(starts), np.array(ends), self.SPANS) == (7, 4, 7)

    def test_the_best_are_of_all_tokens(self) -> None:
        """As in BERT's script: a start in the question takes the place of one in the context."""
        assert self.best([9, 0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], num_best=1) == []

    def test_a_token_begins_an_answer_where_it_has_the_most_context(self) -> None:
        starts, ends, may_begin = np.array([0, 0, 5, 0, 4, 0, 0]), np.array([0, 0, 5, 0, 4, 0, 0]), np.ones(7, np.bool_)
        may_begin[2] = False
        assert max(best_spans(starts, ends, self.SPANS, may_begin, Recipe())) == (8, 4, 7)

    def test_a_window_without_context(self) -> None:
        spans = np.array([(-1, -1), (0, 0)])
        assert best_spans(np.zeros(2), np.zeros(2), spans, np.ones(2, np.bool_), Recipe()) == []
        assert best_token(np.zeros(2), np.zeros(2), spans) == (-np.inf, 0, 0)

    def test_over_all_windows(self, wordpiece: Any) -> None:
        context = " ".join(["the cat sat on the mat"] * 16)
        given = table([("?", context, "cat", 4), ("?", "dog", "dog", 0)])
        features, _ = KIND.features(given, wordpiece, SMALL, (), training=False)
        assert features["row"].to_pylist().count(0) > 2
        begins = [flags.index(True) for flags in features["may_begin"].to_pylist()]
        scores = {
            0: (begins[0], begins[0], 2.0),
            1: (begins[1], begins[1] + 1, 3.0),
            2: (begins[2], begins[2] + 1, 2.5),
        }
        outputs = outputs_at(features, scores)
        best = KIND.num_best(outputs, features, given, SMALL)
        assert [score for _, score in best[0][:3]] == [6, 5, 4]
        spans = spans_of(features.to_pylist()[1])
        assert best[0][0][0] == context[spans[begins[1]][0] : spans[begins[1] + 1][1]]
        assert len(best[0]) == SMALL.num_best
        assert KIND.predictions(outputs, features, given, SMALL, ()) == {"q0": best[0][0][0], "q1": "dog"}

    def test_an_empty_context_has_an_empty_answer(self, wordpiece: Any) -> None:
        given = table([("?", "", "x", 0), ("?", "dog", "dog", 0)])
        features, _ = KIND.features(given, wordpiece, SMALL, (), training=False)
        features = by_length(features)
        assert KIND.predictions(outputs_at(features, {}), features, given, SMALL, ()) == {"q0": "", "q1": "dog"}


def test_batches_go_through_the_model(wordpiece: Any, tmp_path: Path) -> None:
    given = table([("Is it?", TEXTS[2], "cat", 4), ("?", "the dog", "dog", 4)])
    features, _ = KIND.features(given, wordpiece, SMALL, (), training=True)
    batch = KIND.collator(wordpiece)(features.drop_columns(["row", "spans", "may_begin"]).to_pylist())
    outputs = KIND.model(str(write_encoder(tmp_path, wordpiece)), (), SMALL)(**batch)
    assert outputs.loss > 0
    arrays = [outputs.start_logits.detach().numpy(), outputs.end_logits.detach().numpy()]
    found = KIND.predictions(arrays, features, given, SMALL, ())
    assert all(
        answer and answer in row["context"] for answer, row in zip(found.values(), given.to_pylist(), strict=True)
    )
