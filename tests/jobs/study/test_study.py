"""A study of seconds, for real: encoders are trained and evaluated, claims answered, and what is there is reused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import ttest_1samp

from tests.support.lab import write_sib200
from tests.support.main_job import write_moses
from tests.support.studies import claim, tiny_study
from weam_ray.errors import UserError
from weam_ray.jobs.study import ANSWERS, CELLS, FILES, StudyJob
from weam_ray.settings.parsing import validated, written_yaml
from weam_ray.settings.study import StudySettings, load_study

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_moses(folder)
    write_sib200(folder / "data")
    return folder


def settings(place: Path, **more: Any) -> StudySettings:
    return validated(StudySettings, tiny_study(place, **more))


@pytest.fixture(scope="module")
def job(place: Path) -> StudyJob:
    """The study, run to its end."""
    done = StudyJob.of(settings(place), place)
    done.run()
    return done


def table(job: StudyJob) -> list[dict[str, Any]]:
    return pq.read_table(job.folder / CELLS).to_pylist()


class TestStudy:
    def test_what_it_leaves(self, job: StudyJob) -> None:
        assert all((job.folder / name).is_file() for name in FILES)
        assert load_study(str(job.folder / "study.yaml")) == job.settings
        rows = table(job)
        cells = {
            (row["system"], row["pretraining_seed"], row["finetuning_seed"], row["task"], row["language"])
            for row in rows
        }
        assert len(cells) == len(rows)
        topics = [row for row in rows if row["task"] == "sib200"]
        assert {row["language"] for row in topics} == {"en", "de", "tl"}
        # the plain encoder is fine-tuned with the seeds of all others, of which each has one
        assert len(topics) == 3 * 3 * 2
        assert {(row["pretraining_seed"], row["finetuning_seed"]) for row in topics} == {
            (None, 1),
            (None, 2),
            (1, 1),
            (2, 2),
        }
        assert {row["language"] for row in rows if row["task"] == "sentence_retrieval"} == {"xx"}
        assert not any(row["reused"] for row in rows)
        assert {row["majority"] for row in topics} == {25.0}  # four topics, as many of each
        (chance,) = {row["majority"] for row in rows if row["task"] == "sentence_retrieval"}
        assert 0 < chance < 20

    def test_a_copy_is_no_better(self, job: StudyJob) -> None:
        found = {own["name"]: own for own in json.loads((job.folder / ANSWERS).read_text(encoding="utf-8"))}
        assert (found["copy"]["verdict"], found["copy"]["effect"]) == ("refuted", 0.0)
        by_system = {
            name: {
                (row["pretraining_seed"], row["task"], row["language"]): row["weights"]
                for row in table(job)
                if row["system"] == name
            }
            for name in ("weam", "copy")
        }
        assert by_system["weam"] == by_system["copy"]

    def test_a_verdict_follows_from_stored_predictions(self, job: StudyJob) -> None:
        """By labels and predictions alone, without what the study says of them."""
        right = {}
        for row in table(job):
            if (row["task"], row["language"]) != ("sib200", "tl") or row["system"] == "copy":
                continue
            folder = Path(row["folder"])
            (predicted,) = folder.glob("predictions/sib200/*/test-tl.tsv")
            lines = [
                file.read_text(encoding="utf-8").split("\n")
                for file in (predicted, folder / "labels/sib200/test-tl.tsv")
            ]
            right[row["system"], row["finetuning_seed"]] = 100 * np.mean(
                [a == b for a, b in zip(*lines, strict=True) if b]
            )
        differences = [right["weam", seed] - right["plain", seed] for seed in (1, 2)]
        (own,) = [
            found for found in json.loads((job.folder / ANSWERS).read_text(encoding="utf-8")) if found["name"] == "gain"
        ]
        assert own["effect"] == pytest.approx(np.mean(differences))
        assert own["n"] == 2
        if np.ptp(differences):
            assert own["unadjusted_p"] == pytest.approx(ttest_1samp(differences, 0).pvalue)

    def test_the_same_again_computes_nothing(self, job: StudyJob, capsys: pytest.CaptureFixture[str]) -> None:
        before = json.loads((job.folder / ANSWERS).read_text(encoding="utf-8"))
        StudyJob.of(job.settings, job.checkout).run()
        said = capsys.readouterr().out
        assert "2 of 2 pre-trainings are done already" in said
        assert "7 of 7 cells are done already" in said
        assert json.loads((job.folder / ANSWERS).read_text(encoding="utf-8")) == before
        assert all(row["reused"] for row in table(job))

    def test_a_task_more_computes_what_is_new(
        self, job: StudyJob, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        evaluation = {**job.settings.evaluation, "tasks": ["sib200"], "languages": ["de"]}
        two = {"none": [], "topics": ["sib200"]}
        changed = settings(
            place,
            name="other",
            evaluation=evaluation,
            intermediate=two,
            claims=[],
            systems={"plain": None, "tlm": {"objective.name": "weam"}},
        )
        StudyJob.of(changed, place).run()
        assert "2 of 2 pre-trainings are done already" in capsys.readouterr().out

    def test_mlflow_has_study_system_and_cell(self, job: StudyJob) -> None:
        from mlflow import MlflowClient

        from weam_ray.tracking.client import PARENT
        from weam_ray.tracking.store import store_of

        client = MlflowClient(store_of(None, job.home.path))
        (experiment,) = client.search_experiments(filter_string="name = 'weam-ray'")
        runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id], max_results=1000)}
        (study,) = [key for key, run in runs.items() if run.info.run_name == "study tiny"]
        systems = {run.data.tags["system"]: key for key, run in runs.items() if run.data.tags.get(PARENT) == study}
        assert set(systems) == {"plain", "weam", "copy"}
        cells = [run for run in runs.values() if run.data.tags.get(PARENT) == systems["weam"]]
        assert len(cells) == 4
        assert any("sib200/de/accuracy" in run.data.metrics for run in cells)
        assert len(runs[systems["weam"]].data.tags["pretraining_runs"].split(", ")) == 2

    def test_a_preview(self, job: StudyJob, capsys: pytest.CaptureFixture[str]) -> None:
        StudyJob.of(job.settings, job.checkout).preview()
        said = capsys.readouterr().out
        assert "pre-training weam, seed 2: done" in said
        assert "cells: 7 of 7 are done" in said

    def test_a_preview_of_what_is_not_there(
        self, place: Path, job: StudyJob, capsys: pytest.CaptureFixture[str]
    ) -> None:
        own = settings(place, pretraining_seeds=3, systems={"plain": None, "tlm": {"objective.name": "tlm"}}, claims=[])
        StudyJob.of(own, place).preview()
        said = capsys.readouterr().out
        assert "pre-training tlm, seed 3: to do" in said
        assert "cells: 3 of 10 are done" in said  # the plain encoder has a seed more, and no cell of it
        assert "sib200: 4 to do" in said


@pytest.mark.slow
def test_learning_rates_and_amounts_of_text(place: Path, job: StudyJob) -> None:
    own = settings(
        place,
        name="rates",
        systems={"plain": None, "weam": {"objective.name": "weam"}},
        pretraining_rates={"weam": [0.002, 0.01]},
        learning_rates={"sib200": [1e-5, 1e-3]},
        low_resource={"pair": "en-xx", "shares": [0.2, 1.0], "systems": ["weam"]},
        claims=[claim("weam", "plain", on={"tasks": ["sib200"]})],
    )
    study = StudyJob.of(own, place)
    study.preview()
    study.run()
    rows = table(study)
    topics = [row for row in rows if row["task"] == "sib200"]
    assert {row["learning_rate"] for row in topics} == {1e-5, 1e-3}
    for system in ("plain", "weam", "weam@20%", "weam@100%"):
        tried = [row for row in topics if row["system"] == system]
        best = max({row["learning_rate"] for row in tried}, key=lambda rate: mean_development(tried, rate))
        assert {row["learning_rate"] for row in tried if row["chosen"]} == {best}
    by_system = {row["system"]: {row["weights"]} for row in rows if row["pretraining_seed"] == 1}
    assert by_system["weam@100%"] == by_system["weam"] != by_system["weam@20%"]
    report = (study.folder / "report.md").read_text(encoding="utf-8")
    assert "Learning rates of pre-training" in report
    assert "The amount of parallel text" in report


def mean_development(rows: list[dict[str, Any]], rate: float) -> float:
    return float(np.mean([row["development"] for row in rows if row["learning_rate"] == rate]))


BOTH = ["zero-shot", "translate-train"]


def on(**arm: Any) -> dict[str, Any]:
    """A claim on some tasks and languages."""
    return claim("weam", "plain", on=arm)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"evaluation": {"tasks": ["alignment"]}, "pretraining_rates": {"weam": [0.1]}}, "no task of the first"),
        ({"evaluation": {"tasks": ["sib2000"]}}, "sib2000"),
        ({"evaluation": {"tasks": ["sib200"], "models": ["x"]}}, "evaluation.models: .* is said by systems"),
        ({"evaluation": {"tasks": ["sib200"], "taks": 1}}, "evaluation: taks: unknown key"),
        ({"evaluation": {"tasks": ["xnli"]}}, "xnli: there are no data of this task|xnli"),
        ({"systems": {"weam": {"objective.nam": "weam"}}}, "systems.weam: objective.nam: unknown key"),
        ({"pretraining": {"set": {}}}, "pretraining.base: all systems begin from the same encoder"),
        ({"claims": [claim("bert", "plain")]}, "claims, claimed: system 'bert' is none of the study's"),
        ({"claims": [on(languages=["qq"], tasks=["sib200"])]}, "claimed: sib200 has no language 'qq'; it has de, tl"),
        ({"claims": [on(languages=["low"], tasks=["word_retrieval"])]}, "none of the languages low; it has xx"),
        ({"claims": [on(tasks=["gold_alignment"])]}, "no score of the task gold_alignment, zero-shot; there is of"),
        ({"settings": BOTH, "claims": [on(tasks=["word_retrieval"], setting=BOTH[1])]}, "no score of the task"),
        ({"learning_rates": {"udpos": [0.1]}}, "learning_rates.udpos: the study has no such task"),
    ],
)  # fmt: skip
def test_mistakes_show_before_anything_is_trained(place: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        StudyJob.of(settings(place, **more), place)


def test_a_language_that_cannot_be_trained_on_shows_before(place: Path, tmp_path: Path) -> None:
    write_sib200(tmp_path)
    (tmp_path / "sib200" / "tgl_Latn" / "train.tsv").unlink()
    own = settings(place, data_root=str(tmp_path), settings=BOTH)
    with pytest.raises(UserError, match=r"sib200: no training data for tl .* which translate-train needs"):
        StudyJob.of(own, place)
    StudyJob.of(settings(place, data_root=str(tmp_path)), place)  # zero-shot needs none


def test_a_folder_of_another_job(place: Path, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"status": "finished", "fingerprint": "x"}', encoding="utf-8")
    with pytest.raises(UserError, match="a run of pre-training is there; name another folder"):
        StudyJob.of(settings(place, output={"dir": str(tmp_path)}), place)


def test_as_yaml(place: Path) -> None:
    file = place / "own.yaml"
    file.write_text(written_yaml(settings(place).tree()), encoding="utf-8")
    assert load_study(str(file)) == settings(place)
