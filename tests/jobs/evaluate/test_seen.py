"""A run measured on pairs that another run held out, and that it was trained on itself: counted and told."""

import json
from pathlib import Path

import pytest

from tests.support.main_job import run, write_moses
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.evaluate import EvaluationJob
from weam_ray.jobs.evaluate_options import evaluation_settings
from weam_ray.jobs.flags import EVALUATE
from weam_ray.overlap.found import NEAR, SAME
from weam_ray.overlap.record import Record

pytestmark = pytest.mark.ray

FEW = ("training.max_steps=2", "corpus.held_out=24")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    write_moses(folder)
    return folder


@pytest.fixture(scope="module")
def first(lab: Path) -> Path:
    return run(lab, *FEW, f"output.dir={lab / 'first'}")


def seen(lab: Path, model: Path, held_out: Path, name: str) -> dict[str, dict[str, int]]:
    given = ["--model", str(model / "model"), "--tasks", "alignment", "--output", str(lab / name)]
    given += [f"held_out={held_out}", f"home={lab / 'home'}"]
    EvaluationJob.of(evaluation_settings(parse(EVALUATE, "", given)), lab).run()
    about = json.loads((lab / name / "evaluation.json").read_text(encoding="utf-8"))
    tasks = about["tasks"]
    assert tasks["word_retrieval"]["seen"] == tasks["sentence_retrieval"]["seen"]
    return tasks["sentence_retrieval"]["seen"]


def test_pairs_of_another_split(lab: Path, first: Path) -> None:
    """Its own held-out pairs are not in its training text; most that another seed holds out are."""
    second = run(lab, *FEW, f"output.dir={lab / 'second'}", "corpus.held_out_seed=5")
    own, other = (seen(lab, first, run_of, f"on-{run_of.name}") for run_of in (first, second))
    assert own["xx"][SAME] == own["xx"][NEAR] == 0
    size = other["xx"]["examples"]
    assert size > 4
    assert size / 2 < other["xx"][SAME] <= size
    report = (lab / "on-second" / "report.md").read_text(encoding="utf-8")
    assert (
        f"xx: {other['xx'][SAME]} of {size} examples have a sentence whose words stand in the training text" in report
    )


def test_a_run_says_what_is_near(lab: Path, first: Path) -> None:
    """Of its pairs to measure on, in result.json; here each has one word of its own, a number, in six or seven."""
    result = json.loads((first / "result.json").read_text(encoding="utf-8"))
    (rows,) = result["held_out"]["rows"].values()
    assert result["held_out"]["seen"] == {"en-xx": {"examples": rows, SAME: 0, NEAR: 0}}
    assert result["held_out"]["dev_seen"] == {"en-xx": {"examples": 24 - rows, SAME: 0, NEAR: 0}}


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_model(lab: Path, first: Path) -> None:
    """It knows what that was trained on, though its own text is other."""
    (lab / "more").mkdir()
    text = write_moses(lab / "more", num_pairs=150)
    lines = [file.read_text(encoding="utf-8").splitlines(keepends=True)[120:] for file in text]
    for file, own in zip(text, lines, strict=True):
        file.write_text("".join(own), encoding="utf-8")
    source = f"[{{format: moses, source: {text[0]}, target: {text[1]}, source_lang: en, target_lang: xx}}]"
    changes = (f"encoder.name={first / 'model'}", f"corpus.sources={source}", "corpus.held_out=6")
    chained = run(lab, "training.max_steps=2", f"output.dir={lab / 'chained'}", *changes)
    before, after = (Record.beside(str(folder / "model")) for folder in (first, chained))
    assert before is not None
    assert after is not None
    assert len(after.corpora) == 2
    assert after.has(before.names).all()
    assert len(after.names) > len(before.names)


@pytest.mark.slow
def test_a_run_that_goes_on_from_a_run(lab: Path, first: Path) -> None:
    """From its checkpoint, with another split, so that it trains on text that the first held out: it knows both."""
    changes = (
        "training.max_steps=4",
        "corpus.held_out=24",
        "corpus.held_out_seed=5",
        f"training.continue_from={first}",
    )
    second = run(lab, *changes, f"output.dir={lab / 'goes-on'}")
    before, after = (Record.beside(str(folder / "model")) for folder in (first, second))
    assert before is not None
    assert after is not None
    assert len(after.corpora) == 2
    assert after.has(before.names).all()
    assert len(after.names) > len(before.names)
