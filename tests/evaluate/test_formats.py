"""Files of labels and predictions: what is written is read again, and what is not of the form is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weam_ray.errors import UserError
from weam_ray.evaluate.formats import ANSWERS, CHOICES, LINES, RANKINGS, TAGS, FileForm, all_blank, check_counts
from weam_ray.evaluate.tasks import TASKS

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\u2028\x85\r\t "), max_size=8)
lines = texts.map(lambda text: text.replace("\n", "").strip())
tags = lines.map(lambda text: "".join(text.split())).filter(bool)
sentences = st.lists(st.lists(tags, min_size=1, max_size=3), max_size=4)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
answers = st.dictionaries(names, texts, max_size=4)
rankings = st.dictionaries(names, st.lists(names, max_size=3), max_size=4)
targets = st.dictionaries(names, st.lists(names.filter(str.strip), min_size=1, max_size=3), max_size=4)
choices = st.lists(st.integers(0, 2), max_size=4)
FORMS = {
    "LINES": (LINES, st.lists(lines, max_size=5), st.lists(lines, max_size=5)),
    "TAGS": (TAGS, sentences, sentences),
    "ANSWERS": (ANSWERS, answers, st.lists(st.tuples(names, st.lists(texts, max_size=3)), max_size=4)),
    "RANKINGS": (RANKINGS, rankings, targets),
    "CHOICES": (CHOICES, choices, choices),
}


def test_every_form_of_a_task_is_here() -> None:
    assert {id(task.form) for task in TASKS.values()} == {id(form) for form, *_ in FORMS.values()}


@pytest.mark.parametrize("name", FORMS)
@same_folder
@given(st.data())
def test_predictions_and_labels_come_back(name: str, tmp_path: Path, data: st.DataObject) -> None:
    form, predictions, labels = FORMS[name]
    for strategy, write, read in (
        (predictions, form.write, form.read),
        (labels, form.write_labels, form.read_labels),
    ):
        found = data.draw(strategy)
        write(tmp_path / "file", found)
        assert read(tmp_path / "file") == found


@pytest.mark.parametrize(
    ("form", "old", "new"),
    [
        (LINES, ["a"], ["b", "c"]),
        (TAGS, [["N"]], [["V"], ["N"]]),
        (ANSWERS, {"q": "a"}, {"q": "b"}),
        (CHOICES, [0], [1, 0]),
    ],
)
def test_a_write_that_is_broken_off_leaves_the_file_as_it_was(
    form: FileForm, old: Any, new: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form.write(tmp_path / "file", old)

    def break_off(file: Path, content: bytes) -> None:
        with file.open("wb") as stream:
            stream.write(content[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", break_off)
    with pytest.raises(KeyboardInterrupt):
        form.write(tmp_path / "file", new)
    assert form.read(tmp_path / "file") == old


def test_a_target_that_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"m": "Q1", "n": ["Q2", "Q3"]}', encoding="utf-8")
    assert RANKINGS.read_labels(tmp_path / "file") == {"m": ["Q1"], "n": ["Q2", "Q3"]}
    for own in ("[]", "7", "[7]", "null"):
        (tmp_path / "file").write_text(f'{{"m": {own}}}', encoding="utf-8")
        with pytest.raises(UserError, match=r"'m' has .*, where a target or a list of targets is expected"):
            RANKINGS.read_labels(tmp_path / "file")


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (LINES, "a\u2028b\nc\x0bd\re\n", ["a\u2028b", "c\x0bd\re"]),
        (LINES, "a\r\n b \nc", ["a", "b", "c"]),
        (LINES, "a\n\nb\n", ["a", "", "b"]),
        (LINES, "a\n \n", ["a", ""]),  # a blank line is a line, as in XTREME's scorer
        (LINES, "a\n ", ["a"]),  # but not what is no line
        (LINES, "", []),
        (TAGS, "DET\nNOUN\n\nVERB\n\n", [["DET", "NOUN"], ["VERB"]]),
        (TAGS, "DET\nNOUN\n\nVERB\n", [["DET", "NOUN"], ["VERB"]]),
        (TAGS, "DET\nNOUN\n\nVERB", [["DET", "NOUN"], ["VERB"]]),
        (TAGS, "DET\n\n\nVERB\n\n\n", [["DET"], [], ["VERB"], []]),  # as XTREME's scorer
        (TAGS, "dog\tNOUN\r\n\r\na\u2028b\tX\n", [["NOUN"], ["X"]]),
        (TAGS, "a\u00a0\tO\n\u00a0\tB\n\u2028\tI\n\u3000\tO\n\nX\n \nY\n", [["O", "B", "I", "O"], ["X"], ["Y"]]),
        (TAGS, "O\u00a0\nX \u3000\n", [["O", "X"]]),
        (LINES, "a\n\u00a0\nb\n\u00a0", ["a", "", "b", ""]),
        (CHOICES, '{"label": "1"}\n{"label": "0"}\n', [1, 0]),
        (CHOICES, '{"label": 1, "premise": "a\u2028b"}\n{"label": 0}', [1, 0]),
    ],
)
def test_ends_of_lines_and_of_files(form: FileForm, text: str, expected: list[object], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(text.encode())
    assert form.read(tmp_path / "file") == expected
    assert form.read_labels(tmp_path / "file") == expected


def test_questions_with_and_without_the_frame(tmp_path: Path) -> None:
    """Names may be numbers, which stand as text everywhere."""
    articles = [{"paragraphs": [{"qas": [{"id": 7, "answers": [{"text": "a"}, {"text": "b"}]}]}]}]
    for found in (articles, {"data": articles}):
        (tmp_path / "file").write_text(json.dumps(found), encoding="utf-8")
        assert ANSWERS.read_labels(tmp_path / "file") == [("7", ["a", "b"])]


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        (ANSWERS, "[]", "an object from names to predictions is expected, not list"),
        (RANKINGS, '{"a":\n', "line 2: not valid JSON"),
        (CHOICES, '{"label": 1}\n{"lab": 1}\n', "line 2: a JSON object with the key 'label'"),
        (CHOICES, "1\n", "line 1: a JSON object"),
        (CHOICES, '{"label": 1}\n{"label": "b"}\n', "line 2: a JSON object .* number of a choice"),
    ],
)
def test_other_forms(form: FileForm, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        form.read(tmp_path / "file")


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"ab\n\xff\n")
    with pytest.raises(UserError, match="byte 4 is not UTF-8"):
        LINES.read(tmp_path / "file")


def test_counts() -> None:
    check_counts(["a"], ["b"], "x")
    check_counts([["N"], []], [["V"], []], "x")
    check_counts([("q", ["a"]), ("r", ["b"])], {"q": "a"}, "x")  # an unanswered question counts as wrong
    check_counts({"q": ["a"]}, {}, "x")
    with pytest.raises(UserError, match="x: 2 lines of predictions, but 1 of labels"):
        check_counts([0], [0, 1], "x")
    with pytest.raises(UserError, match="x: 1 sentences of predictions, but 2 of labels"):
        check_counts([["N"], ["V"]], [["N"]], "x")
    with pytest.raises(UserError, match="x, sentence 2: 1 predicted tags, but 2 gold ones"):
        check_counts([["N"], ["V", "N"]], [["N"], ["V"]], "x")
    with pytest.raises(UserError, match="x: 1 predictions for names that the labels lack: 'r'"):
        check_counts([("q", ["a"])], {"r": "a", "q": "a"}, "x")


@pytest.mark.parametrize(
    ("labels", "blank"),
    [
        ({"a": [""], "b": [" "]}, True),
        ({"a": [""], "b": ["Q1"]}, False),
        (["", ""], True),
        (["", "x"], False),
        ([["", ""], [""]], True),
        ([("q", [""]), ("r", [])], True),
        ([("q", ["yes"])], False),
        ([0, 0], False),
    ],
)
def test_labels_that_were_taken_out(labels: Any, blank: bool) -> None:
    assert all_blank(labels) is blank
