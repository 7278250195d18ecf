"""Official metrics: the figures of XTREME's own scorer on its own test data, and cases by hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weam_ray.errors import UserError
from weam_ray.evaluate import official
from weam_ray.evaluate.score import run, score_files
from weam_ray.evaluate.tasks import TASKS

FIXTURE = Path(__file__).parent / "fixtures" / "xtreme_mock.json.gz"
MOCK: dict[str, dict[str, dict[str, Any]]] = json.loads(gzip.decompress(FIXTURE.read_bytes()))


@pytest.mark.parametrize("task", MOCK)
def test_every_figure_of_the_official_scorer(task: str, tmp_path: Path) -> None:
    for language, case in MOCK[task].items():
        files = []
        for kind in ("labels", "predictions"):
            files.append(tmp_path / f"{kind}-{language}.{TASKS[task].form.suffix}")
            files[-1].write_text(case[kind], encoding="utf-8")
        found = score_files(TASKS[task], language, *files)
        assert {name: found[name] for name in case["expected"]} == pytest.approx(case["expected"], abs=1e-6), language


def test_the_fixture_is_whole() -> None:
    assert {"mewslix", "mlqa", "panx", "tatoeba", "tydiqa", "udpos", "xnli", "xquad"} == set(MOCK)
    assert sum(len(case["expected"]) for languages in MOCK.values() for case in languages.values()) == 335


def test_pawsx_by_hand(tmp_path: Path) -> None:
    labels, predictions = tmp_path / "labels.tsv", tmp_path / "predictions.tsv"
    labels.write_text("1\n0\n0\n1\n", encoding="utf-8")
    predictions.write_text("1\n1\n0\n1", encoding="utf-8")  # without a last line feed
    assert score_files(TASKS["pawsx"], "de", labels, predictions) == {"accuracy": 75.0}


@pytest.mark.parametrize("predicted", ["1\n0\n0\n1\n", "1\n0\n1\n"])
def test_rows_on_which_annotators_did_not_agree_do_not_count(predicted: str, tmp_path: Path) -> None:
    """Whether there are predictions for them, as of a scorer's user, or none, as the evaluation leaves them."""
    labels, predictions = tmp_path / "labels.tsv", tmp_path / "predictions.tsv"
    for task, names in (("pawsx", "01"), ("xnli", ("neutral", "entailment"))):
        labels.write_text("1\n1\n-\n1\n".replace("1", names[1]), encoding="utf-8")
        predictions.write_text(predicted.replace("1", names[1]).replace("0", names[0]), encoding="utf-8")
        assert score_files(TASKS[task], "de", labels, predictions) == {"accuracy": pytest.approx(200 / 3)}


def test_xcopa_by_hand(tmp_path: Path) -> None:
    labels, predictions = tmp_path / "labels.jsonl", tmp_path / "predictions.jsonl"
    labels.write_text('{"premise": "x", "label": 1}\n{"premise": "y", "label": 0}\n', encoding="utf-8")
    predictions.write_text('{"label": 1}\n{"label": 1}\n', encoding="utf-8")
    assert score_files(TASKS["xcopa"], "et", labels, predictions) == {"accuracy": 50.0}


def test_lareqa_by_hand(tmp_path: Path) -> None:
    """Two targets at ranks 1 and 3: (1/1 + 2/3) / 2; one target at rank 2: 1/2; a query without a ranking: 0."""
    labels, predictions = tmp_path / "labels.json", tmp_path / "predictions.json"
    labels.write_text(json.dumps({"q": ["a", "b"], "r": ["c"], "s": ["d"]}), encoding="utf-8")
    predictions.write_text(json.dumps({"q": ["a", "x", "b"], "r": ["x", "c"]}), encoding="utf-8")
    found = score_files(TASKS["lareqa"], "de", labels, predictions)
    assert found == {"map@20": pytest.approx(100 * ((1 + 2 / 3) / 2 + 1 / 2) / 3)}


def test_average_precision_counts_twenty_and_each_candidate_once() -> None:
    assert official.average_precision(["a"], [*map(str, range(20)), "a"], 20) == 0
    assert official.average_precision(["a", "b"], ["a", "a", "b"], 20) == pytest.approx((1 + 2 / 3) / 2)
    assert official.average_precision([str(i) for i in range(30)], [str(i) for i in range(20)], 20) == 1


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-PER I-PER O", {("PER", 1, 2)}),
        ("B-PER B-PER", {("PER", 0, 0), ("PER", 1, 1)}),
        ("I-LOC I-ORG", {("LOC", 0, 0), ("ORG", 1, 1)}),
        ("B-LOC I-PER", {("LOC", 0, 0), ("PER", 1, 1)}),
        ("NOUN NOUN VERB", {("OUN", 0, 1), ("ERB", 2, 2)}),  # neighbours of one tag are one chunk
        ("SYM SYM", {("YM", 0, 0), ("YM", 1, 1)}),  # S- is a chunk of its own
        ("X", set()),  # lost before the end
        ("X NOUN", {("_", 0, 0), ("OUN", 1, 1)}),
        ("O O", set()),
    ],
)
def test_chunks(tags: str, expected: set[tuple[str, int, int]]) -> None:
    assert official.chunks([tags.split()]) == [expected]


def test_chunks_of_several_sentences() -> None:
    """Words are counted on, with one place between sentences; an X that begins one reaches back to the last start."""
    assert official.chunks([["B-PER"], ["O", "B-LOC", "I-LOC"]]) == [{("PER", 0, 0)}, {("LOC", 3, 4)}]
    assert official.chunks([["PART"], ["X", "NOUN"]]) == [{("ART", 0, 0)}, {("_", 0, 2), ("OUN", 3, 3)}]


def test_word_accuracy_stands_beside_the_official_f1() -> None:
    scores = TASKS["udpos"].score([["NOUN", "NOUN", "VERB"]], [["NOUN", "ADJ", "VERB"]], "en")
    assert scores["accuracy"].percent == pytest.approx(200 / 3)
    assert scores["f1"].percent == pytest.approx(100 * 2 * 1 / (3 + 2))


@pytest.mark.parametrize(
    ("language", "answer", "normalized"),
    [
        ("de", "Der  Wald, einen Baum!", "wald baum"),
        ("es", "la casa", "casa"),
        ("vi", "của cái nhà", "nhà"),
        ("ar", "هذا البيت", "هذا بيت"),
        ("zh", "北京abc大学。", "北 京 abc 大 学"),
        ("hi", "the घर", "the घर"),
        ("ru", "Дом — the дом", "дом the дом"),  # no language of MLQA: no articles
    ],
)
def test_mlqa_normalisation(language: str, answer: str, normalized: str) -> None:
    assert official.mlqa_normalized(answer, language) == normalized


def test_squad_takes_the_best_gold_answer_and_gives_nothing_for_silence() -> None:
    labels = [("a", ["the red house", "house"]), ("b", ["tree"])]
    scores = official.squad(labels, {"a": "A house!"})
    assert scores["exact_match"].percent == 50
    assert scores["f1"].percent == 50


def test_macro_f1_is_the_mean_over_labels() -> None:
    """F1 of `a` is 4 / 5, of `b` 2 / 4, of `c`, which nobody predicts, 0; of `d`, which there is not, 0."""
    labels, predictions = list("aabbc"), list("aabda")
    assert official.macro_f1(labels, predictions)["macro_f1"].percent == pytest.approx(100 * (4 / 5 + 2 / 3) / 4)
    assert official.macro_f1(labels, labels)["macro_f1"].percent == pytest.approx(100)
    assert official.macro_f1(["a"], ["b"])["macro_f1"].percent == 0


def test_parts_of_macro_f1_have_its_sampling_error() -> None:
    """A bootstrap over them spreads as one that computes the metric anew on each resampled test set."""
    draw = np.random.default_rng(1)
    labels = draw.choice(["a", "b", "c"], 600, p=[0.5, 0.3, 0.2])
    predictions = np.where(draw.random(600) < 0.6, labels, draw.choice(["a", "b", "c"], 600))
    parts = official.macro_f1(labels.tolist(), predictions.tolist())["macro_f1"]
    drawn = draw.integers(0, 600, (400, 600))
    anew = [official.macro_f1(labels[own].tolist(), predictions[own].tolist())["macro_f1"].percent for own in drawn]
    linear = [100 * parts.numerator[own].mean() for own in drawn]
    assert np.std(linear) == pytest.approx(np.std(anew), rel=0.05)
    assert np.corrcoef(linear, anew)[0, 1] > 0.99


def test_parts_make_the_metric() -> None:
    parts = TASKS["panx"].score([["B-PER", "O"], ["B-LOC"]], [["B-PER", "O"], ["B-ORG"]], "de")["f1"]
    assert parts.numerator.tolist() == [2, 0]
    assert parts.denominator.tolist() == [2, 2]
    assert parts.percent == 50


@pytest.mark.parametrize(
    ("task", "labels", "predictions", "message"),
    [
        ("xnli", "neutral\nneutral\n", "neutral\n", "1 lines of predictions, but 2 of labels"),
        ("udpos", "NOUN\n\nVERB\n\n", "NOUN\n\n", "1 sentences of predictions, but 2 of labels"),
        ("udpos", "NOUN\nVERB\n\n", "NOUN\n\n", "sentence 1: 1 predicted tags, but 2 gold ones"),
        ("mewslix", '{"a": ["Q1"]}', '{"b": ["Q1"]}', "1 predictions for names that the labels lack: 'b'"),
        ("xquad", '{"data": 3}', "{}", "not in SQuAD's form"),
        ("xquad", "{", "{}", "line 1: not valid JSON"),
        ("xcopa", "{}\n", '{"label": 0}\n', "line 1: a JSON object with the key 'label' is expected"),
    ],
)
def test_mistakes_are_sentences(task: str, labels: str, predictions: str, message: str, tmp_path: Path) -> None:
    files = tmp_path / "labels", tmp_path / "predictions"
    for file, text in zip(files, (labels, predictions), strict=True):
        file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        score_files(TASKS[task], "de", *files)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels").write_text("1\n0\n", encoding="utf-8")
    (tmp_path / "predictions").write_text("1\n1\n", encoding="utf-8")
    given = ["--labels", str(tmp_path / "labels"), "--predictions", str(tmp_path / "predictions")]
    run(["--task", "pawsx", "--language", "de", *given])
    assert json.loads(capsys.readouterr().out) == {"accuracy": 50.0}
    with pytest.raises(UserError, match="'nli' is no task"):
        run(["--task", "nli", "--language", "de", *given])
    with pytest.raises(UserError, match="There is no file"):
        run(["--task", "pawsx", "--language", "de", "--labels", "absent", *given[2:]])
