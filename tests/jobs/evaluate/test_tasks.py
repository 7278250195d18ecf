"""Evaluations of tasks by kinds, end to end: questions after another task, and retrieval that is trained."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import set_seed

from tests.support.lab import job, write_encoder, write_lareqa, write_mewslix, write_xquad
from tests.support.writing import write
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.kinds.questions import Questions
from weam_ray.evaluate.models import tokenizer_of
from weam_ray.evaluate.score import score_files
from weam_ray.evaluate.tasks import TASKS
from weam_ray.settings.evaluation import Recipe

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ray_session: None, wordpiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    write_encoder(folder / "encoder", wordpiece)
    return folder


def test_questions_after_a_classification(lab: Path, tmp_path: Path) -> None:
    """What is predicted, by fine-tuning that changes nothing, is what the encoder of the first task says with a new
    head of the seed.
    """
    write_xquad(tmp_path)
    rows = [f"{'good' if number % 2 else 'bad'}\tit is {number}" for number in range(30)]
    (tmp_path / "domain.tsv").write_text("label\ttext\n" + "\n".join(rows) + "\n", encoding="utf-8")
    arguments = ("--tasks", "xquad", "--languages", "de", "--seeds", "1", "--data-root", str(tmp_path))
    chain = ("--intermediate", str(tmp_path / "domain.tsv"), "xquad.learning_rate=1e-30", "xquad.epochs=1")
    result = job(lab, "asked", *arguments, *chain).run()
    assert list(result["xquad"]) == ["en", "de"]
    assert set(result["xquad"]["de"]["metrics"]) == {"f1", "exact_match"}
    about = json.loads((lab / "asked" / "evaluation.json").read_text(encoding="utf-8"))
    recipe, kind = Recipe(**about["tasks"]["xquad"]["recipe"]), Questions()
    folder = lab / "asked" / "predictions" / "xquad" / "1"
    found = json.loads((folder / "nbest-de.json").read_text(encoding="utf-8"))
    (carried,) = (lab / "asked" / "intermediate").iterdir()
    questions = TaskData.found(TASKS["xquad"], tmp_path).read("test", "de")
    tokenizer = tokenizer_of(str(carried))
    features, _ = kind.features(questions, tokenizer, recipe, (), training=False)
    batch = kind.collator(tokenizer)(features.drop_columns(["row", "spans", "may_begin"]).to_pylist())
    scores = {}
    for encoder in (carried, lab / "encoder"):
        set_seed(1)
        with torch.no_grad():
            outputs = kind.model(str(encoder), (), recipe).eval()(**batch)
        best = kind.num_best([outputs.start_logits.numpy(), outputs.end_logits.numpy()], features, questions, recipe)
        scores[encoder] = [score for _, score in best[0]]
    told = [own["score"] for own in found["x0"]]
    assert told == pytest.approx(scores[carried], abs=1e-5)
    assert told != pytest.approx(scores[lab / "encoder"], abs=1e-3)


def test_files_as_people_have_them(lab: Path, tmp_path: Path) -> None:
    """Words of white space, and rows without consensus: what is written is of the same sentences, words and rows."""
    sentences = "\u00a0\tO\nBerlin\tB-LOC\n\ndas\tO\n\u2028\tO\n\u200b\tO\n\n\u3000\tO\n"
    pairs = 'the "cat\tb\tneutral\nc\td\t-\n"the dog\tf\tentailment\n"g"\th\tcontradiction\n'
    for name in ("train-en", "dev-en", "test-en", "test-de"):
        write(tmp_path / f"panx/{name}.tsv", sentences)
        write(
            tmp_path / f"xnli/{name}.tsv", pairs if name == "train-en" else f"premise\thypothesis\tgold_label\n{pairs}"
        )
    arguments = ("--tasks", "panx,xnli", "--languages", "de", "--seeds", "1", "--data-root", str(tmp_path))
    result = job(lab, "odd", *arguments).run()
    assert {task: list(languages) for task, languages in result.items()} == {"panx": ["en", "de"], "xnli": ["en", "de"]}
    for task, lengths in (("panx", [2, 3, 1]), ("xnli", None)):
        labels, predictions = (
            lab / "odd" / place / "test-de.tsv" for place in (f"labels/{task}", f"predictions/{task}/1")
        )
        for file in (labels, predictions):
            found = TASKS[task].form.read(file)
            assert len(found) == 3
            assert lengths is None or list(map(len, found)) == lengths
        metric = TASKS[task].metric
        assert score_files(TASKS[task], "de", labels, predictions)[metric] == pytest.approx(result[task]["de"]["mean"])
    about = json.loads((lab / "odd" / "evaluation.json").read_text(encoding="utf-8"))
    note, *unknown = about["tasks"]["xnli"]["notes"]
    assert all("are unknown to the tokenizer" in other for other in unknown)
    assert note.endswith("are left out: train en 1, dev en 1, test en 1, test de 1.")
    assert note in (lab / "odd" / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_mentions_of_entities(lab: Path, tmp_path: Path) -> None:
    """Mewsli-X end to end: the mentions hide their entities, which labels beside them tell."""
    write_mewslix(tmp_path)
    arguments = ("--tasks", "mewslix", "--languages", "de", "--seeds", "1", "--data-root", str(tmp_path))
    result = job(lab, "mewslix", *arguments).run()
    assert list(result["mewslix"]) == ["en", "de"]
    labels, predictions = (
        lab / "mewslix" / place / "test-de.json" for place in ("labels/mewslix", "predictions/mewslix/1")
    )
    assert json.loads(labels.read_text(encoding="utf-8")) == {f"de{number}": [f"Q{number}"] for number in range(4)}
    rankings = json.loads(predictions.read_text(encoding="utf-8"))
    assert all(sorted(ranking) == ["Q0", "Q1", "Q2", "Q3"] for ranking in rankings.values())
    found = score_files(TASKS["mewslix"], "de", labels, predictions)
    assert found["map@20"] == pytest.approx(result["mewslix"]["de"]["mean"])
    record = json.loads((lab / "mewslix" / "runs" / "mewslix-1.json").read_text(encoding="utf-8"))
    assert (record["training_rows"], set(record["history"][0])) == (4, {"epoch", "in_batch_accuracy"})


def test_retrieval_that_is_trained(lab: Path, tmp_path: Path) -> None:
    """LAReQA end to end: pairs of SQuAD train, rankings are over the sentences of all languages."""
    write_lareqa(tmp_path)
    arguments = ("--tasks", "lareqa", "--languages", "de", "--seeds", "1", "--data-root", str(tmp_path))
    result = job(lab, "lareqa", *arguments).run()
    assert list(result["lareqa"]) == ["en", "de"]
    assert result["lareqa"]["de"]["metric"] == "map@20"
    name = "test-de.json"
    labels, predictions = lab / "lareqa" / "labels" / "lareqa", lab / "lareqa" / "predictions" / "lareqa" / "1"
    assert json.loads((labels / name).read_text(encoding="utf-8")) == {
        f"x{number}": [f"de_1_{number}", f"en_1_{number}"] for number in range(2)
    }
    ranking = json.loads((predictions / name).read_text(encoding="utf-8"))["x0"]
    assert sorted(ranking) == ["de_1_0", "de_1_1", "en_1_0", "en_1_1"]
    found = score_files(TASKS["lareqa"], "de", labels / name, predictions / name)
    assert found["map@20"] == pytest.approx(result["lareqa"]["de"]["mean"])
    record = json.loads((lab / "lareqa" / "runs" / "lareqa-1.json").read_text(encoding="utf-8"))
    assert set(record["history"][0]) == {"epoch", "in_batch_accuracy"}
