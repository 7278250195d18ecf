"""The majority class, and chance, against counts by hand."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.lab import write_lareqa, write_tatoeba, write_udpos, write_xquad
from tests.support.own import declared, write_split
from tests.support.writing import write
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.majority import Majority, chance_of_pairs, majority_of, most_frequent
from weam_ray.evaluate.planned import Planned
from weam_ray.evaluate.tasks import TASKS, task_of
from weam_ray.evaluate.tasks.base import Task
from weam_ray.measure.by_layer import SENTENCES, WORDS

TRAIN = {"en": "a a a b b c", "de": "b b b b c c", "ru": "c c c c a a"}
TEST = {"en": "a b c a a c b b", "de": "b b a c", "ru": "a a a b"}


def planned(task: Task, root: Path, train: str = "en", tests: str = "en de") -> Planned:
    """A task with the rows of some languages, as an evaluation plans it."""
    data = TaskData.found(task, root)
    own = Planned(data, task.recipe, tests=tuple(code for code in tests.split() if data.read("test", code)))
    own.tables = {("test", code): data.read("test", code) for code in own.tests}
    own.tables |= {("train", code): data.read("train", code) for code in train.split()}
    return own


def figures(found: dict[str, Majority]) -> dict[str, tuple[float, str | None]]:
    return {code: (pytest.approx(own.figure), own.label) for code, own in found.items()}


class TestSentences:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for split, languages in (("train", TRAIN), ("dev", TRAIN), ("test", TEST)):
            for code, labels in languages.items():
                rows = [(str(number), label, f"text {number}") for number, label in enumerate(labels.split())]
                write_split(tmp_path / "moods" / code / f"{split}.tsv", rows)
        return tmp_path

    @pytest.mark.parametrize(
        ("setting", "classes"),
        [
            ("zero-shot", {"en": "a", "de": "a", "ru": "a"}),
            ("translate-train", {"en": "a", "de": "b", "ru": "c"}),
            ("translate-train-all", {"en": "c", "de": "c", "ru": "c"}),  # a 5, b 6, c 7
        ],
    )
    def test_of_the_languages_that_train(self, setting: str, classes: dict[str, str], root: Path) -> None:
        own = planned(task_of("moods", {"moods": declared()}, root), root, "en de ru", "en de ru")
        found = majority_of(own, setting)
        for code, label in classes.items():
            gold = TEST[code].split()
            assert found[code] == Majority(pytest.approx(100 * gold.count(label) / len(gold)), label)

    def test_by_the_metric_of_the_task(self, root: Path) -> None:
        """In German one of four is `a`: F1 of `a` is 2 * 1 / (4 + 1), and those of `b` and `c` are 0."""
        own = planned(task_of("moods", {"moods": declared(metric="macro_f1")}, root), root)
        assert majority_of(own, "zero-shot")["de"].figure == pytest.approx(100 * (2 / 5) / 3)

    def test_hidden_labels_have_none(self, tmp_path: Path) -> None:
        write(tmp_path / "pawsx/train-en.tsv", "a\tb\t1\nc\td\t1\ne\tf\t0\n")
        for code, rows in (("de", "a\tb\nc\td\n"), ("fr", "a\tb\nc\td\n")):
            write(tmp_path / f"pawsx/test-{code}.tsv", rows)
        write(tmp_path / "labels/pawsx/test-fr.tsv", "0\n1\n")
        own = planned(TASKS["pawsx"], tmp_path, tests="de fr")
        assert figures(majority_of(own, "zero-shot")) == {"fr": (50.0, "1")}


def test_of_several_the_first() -> None:
    assert most_frequent(list("babac")) == "a"
    assert most_frequent([1, 0]) == 0


def test_choices(tmp_path: Path) -> None:
    def rows(labels: str) -> str:
        row = {"premise": "p", "question": "cause", "choice1": "x", "choice2": "y"}
        return "".join(json.dumps({**row, "label": int(label)}) + "\n" for label in labels)

    write(tmp_path / "xcopa/train-en.jsonl", rows("1101"))
    write(tmp_path / "xcopa/test-et.jsonl", rows("01000"))
    own = planned(TASKS["xcopa"], tmp_path, tests="et")
    assert figures(majority_of(own, "zero-shot")) == {"et": (20.0, "1")}


def test_words(tmp_path: Path) -> None:
    """NOUN is the most frequent of three tags where English has one more of them; F1 is the official one, of chunks."""
    write_udpos(tmp_path)
    train = tmp_path / "udpos/en_lines-ud-train.conllu"
    lines = train.read_text(encoding="utf-8")
    train.write_text(lines + "\n" + "1\tdogs\t_\tNOUN" + "\t_" * 6 + "\n", encoding="utf-8")
    tags = [line.split("\t")[3] for line in train.read_text(encoding="utf-8").splitlines() if line[:1].isdigit()]
    assert Counter(tags).most_common(1) == [("NOUN", 7)]
    own = planned(TASKS["udpos"], tmp_path)
    gold = own.data.gold(own.tables["test", "de"], "de")
    said = [["NOUN"] * len(sentence) for sentence in gold]
    expected = TASKS["udpos"].score(gold, said, "de")["f1"].percent
    assert majority_of(own, "zero-shot")["de"] == Majority(pytest.approx(expected), "NOUN")
    # a sentence of one tag is one chunk, which is none of the four of four tags
    assert expected == 0


def test_chance_of_one_candidate_among_all(tmp_path: Path) -> None:
    write_tatoeba(tmp_path)
    own = planned(TASKS["tatoeba"], tmp_path, train="", tests="de")
    assert majority_of(own, "zero-shot") == {"de": Majority(100 / 8)}


@pytest.mark.parametrize(("task", "writer"), [("xquad", write_xquad), ("lareqa", write_lareqa)])
def test_tasks_without(task: str, writer: Any, tmp_path: Path) -> None:
    writer(tmp_path)
    assert majority_of(planned(TASKS[task], tmp_path), "zero-shot") == {}


def test_chance_of_held_out_pairs(tmp_path: Path) -> None:
    file = tmp_path / "examples" / SENTENCES / "1" / "de.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"numerator": [1.0] * 40, "denominator": [1.0] * 40}), file)
    parts = [{"task": task, "scores": {"de": {"accuracy": 1.0}}} for task in (SENTENCES, WORDS)]
    assert chance_of_pairs(tmp_path, [{"number": 1, "parts": parts}]) == {SENTENCES: {"de": Majority(2.5)}}
    assert chance_of_pairs(tmp_path, []) == {}
