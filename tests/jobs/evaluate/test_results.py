"""The evaluation job, in this process: fine-tuning on Ray, what it leaves, and going on where it was."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file
from transformers import AutoModel

from tests.support.lab import job, write_encoder, write_gold, write_sib200, write_tatoeba, write_udpos
from weam_ray.errors import UserError
from weam_ray.evaluate.compare import compare
from weam_ray.evaluate.score import score_files
from weam_ray.evaluate.tasks import TASKS
from weam_ray.report.layers import layer_tables

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ray_session: None, wordpiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    for write in (write_sib200, write_udpos, write_tatoeba, write_gold):
        write(folder / "data")
    write_encoder(folder / "encoder", wordpiece)
    write_encoder(folder / "other", wordpiece, seed=2)
    return folder


@pytest.fixture(scope="module")
def plain(lab: Path) -> tuple[Path, dict[str, Any]]:
    """Folder and result of an evaluation on all that the lab has."""
    tasks = "sib200,udpos,tatoeba,alignment"
    return lab / "plain", job(lab, "plain", "--tasks", tasks, "--languages", "de", "--seeds", "2").run()


class TestResults:
    def test_result(self, plain: tuple[Path, dict[str, Any]]) -> None:
        folder, result = plain
        assert json.loads((folder / "result.json").read_text(encoding="utf-8")) == result
        assert {task: list(languages) for task, languages in result.items()} == {
            "sib200": ["en", "de"],
            "udpos": ["en", "de"],
            "tatoeba": ["de"],
            "gold_alignment": ["deen"],
        }
        for task in ("sib200", "udpos"):
            for entry in result[task].values():
                assert len(entry["per_seed"]) == 2
                assert entry["mean"] == pytest.approx(sum(entry["per_seed"]) / 2)
                assert entry["std"] is not None
        assert result["udpos"]["en"]["mean"] > 60  # four words that are easily told apart
        assert result["udpos"]["de"]["metric"] == "f1"
        assert set(result["udpos"]["de"]["metrics"]) == {"f1", "precision", "recall", "accuracy"}
        assert result["tatoeba"]["de"]["std"] is None
        assert result["gold_alignment"]["deen"]["metric"] == "aer"

    @pytest.mark.parametrize(("task", "language"), [("sib200", "en"), ("udpos", "de"), ("tatoeba", "de")])
    def test_anyones_scorer_gives_the_figures(
        self, plain: tuple[Path, dict[str, Any]], task: str, language: str
    ) -> None:
        folder, result = plain
        form = TASKS[task].form
        name = f"test-{language}.{form.suffix}"
        for number, expected in enumerate(result[task][language]["per_seed"], 1):
            found = score_files(
                TASKS[task],
                language,
                folder / "labels" / task / name,
                folder / "predictions" / task / str(number) / name,
            )
            assert found[result[task][language]["metric"]] == pytest.approx(expected)

    def test_report_says_what_it_rests_on(self, plain: tuple[Path, dict[str, Any]]) -> None:
        folder, result = plain
        text = (folder / "report.html").read_text(encoding="utf-8")
        assert 'src="data:image/png;base64,' in text
        assert not re.search(r"src=.?http|href=|<link|<script", text)  # it opens without a network
        entry = result["udpos"]["de"]
        assert f"{entry['mean']:.1f} ± {entry['std']:.1f}" in text
        assert "(spread: none)" in text
        assert "One checkpoint" in text
        assert "English development set alone" in text
        for name in ("report.md", "udpos.png", "alignment-layers.png", "evaluation.json"):
            assert (folder / name).is_file(), name

    def test_what_the_tokenizer_does_not_know_is_said(self, plain: tuple[Path, dict[str, Any]]) -> None:
        folder, _ = plain
        tasks = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["tasks"]
        record = json.loads((folder / "runs" / "udpos-1.json").read_text(encoding="utf-8"))
        for task in ("sib200", "udpos", "tatoeba"):
            assert set(tasks[task]["unknown_tokens"]) == {"en", "de"} - ({"en"} if task == "tatoeba" else set())
        for language, share in tasks["udpos"]["unknown_tokens"].items():
            tokens, unknown, *_ = record["unknown"][language]
            assert tokens > 0
            assert share == unknown / tokens
            warned = any(f"of the tokens in '{language}' are unknown" in note for note in tasks["udpos"]["notes"])
            assert warned == (max(share, record["unknown"][language][3] / record["unknown"][language][2]) >= 0.01)

    def test_every_layer_of_alignment(self, plain: tuple[Path, dict[str, Any]]) -> None:
        record = json.loads((plain[0] / "runs" / "alignment-1.json").read_text(encoding="utf-8"))
        about = json.loads((plain[0] / "evaluation.json").read_text(encoding="utf-8"))
        assert about["layers"] == [{key: record[key] for key in ("number", "model", "layer", "layers")}]
        assert [len(layers) for layers in record["layers"]["gold_alignment"].values()] == [3]
        assert about["tasks"]["tatoeba"]["layer"] == 2
        assert "layer" not in about["tasks"]["udpos"]
        words = dict.fromkeys(("source_words", "target_words"), 4)
        cut = dict.fromkeys(("source_words_cut", "target_words_cut"), 0)
        assert about["tasks"]["gold_alignment"]["counts"] == {"deen": words | cut}
        text = (plain[0] / "report.html").read_text(encoding="utf-8")
        for _, _, rows in layer_tables(record):
            assert all(f"<td>{cell}</td>" in text for row in rows for cell in row)
        assert "<td>2*</td>" in text

    def test_mlflow_has_a_child_for_each_run(self, lab: Path, plain: tuple[Path, dict[str, Any]]) -> None:
        client = MlflowClient(f"sqlite:///{lab / 'home' / 'mlflow.db'}")
        state = json.loads((plain[0] / "state.json").read_text(encoding="utf-8"))["runs"]
        assert set(state) == {"parent", "sib200-1", "sib200-2", "udpos-1", "udpos-2", "tatoeba-1", "alignment-1"}
        parent = client.get_run(state["parent"])
        assert parent.info.status == "FINISHED"
        assert parent.data.metrics["udpos/de/f1"] == pytest.approx(plain[1]["udpos"]["de"]["mean"])
        child = client.get_run(state["udpos-1"])
        assert child.data.tags["mlflow.parentRunId"] == state["parent"]
        assert child.data.metrics["udpos/de/f1"] == pytest.approx(plain[1]["udpos"]["de"]["per_seed"][0])
        assert len(client.get_metric_history(state["udpos-1"], "udpos/development/f1")) == 6
        layers = client.get_metric_history(state["alignment-1"], "gold_alignment/deen/aer")
        assert [entry.step for entry in layers] == [0, 1, 2]

    def test_what_is_done_is_not_done_again(
        self, lab: Path, plain: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """One run is missing, as after a kill: it alone runs, and the result is the same."""
        folder, result = plain
        (folder / "runs" / "udpos-2.json").unlink()
        before = {file.name: file.stat().st_mtime_ns for file in (folder / "runs").iterdir()}
        tasks = "sib200,udpos,tatoeba,alignment"
        assert job(lab, "plain", "--tasks", tasks, "--languages", "de", "--seeds", "2").run() == result
        assert "5 of 6 runs are done already" in capsys.readouterr().out
        after = {file.name: file.stat().st_mtime_ns for file in (folder / "runs").iterdir()}
        assert {name for name in after if after[name] != before.get(name)} == {"udpos-2.json"}

    def test_the_same_again_is_the_same_and_no_difference(self, lab: Path, plain: tuple[Path, dict[str, Any]]) -> None:
        """In another folder, with other numbers of languages and tasks."""
        again = job(lab, "again", "--tasks", "udpos", "--languages", "de", "--seeds", "2").run()
        assert again["udpos"] == plain[1]["udpos"]
        (pair,) = compare([plain[0], lab / "again"]).pairs
        assert {row.verdict for row in pair.tasks[0].languages.rows} == {"identical"}


class TestSettings:
    def test_translate_train(self, lab: Path) -> None:
        result = job(
            lab,
            "translated",
            "--tasks",
            "sib200",
            "--languages",
            "de,tl",
            "--seeds",
            "1",
            "--setting",
            "translate-train",
        ).run()
        names = sorted(file.stem for file in (lab / "translated" / "runs").iterdir())
        assert names == ["sib200-1-de", "sib200-1-en", "sib200-1-tl"]
        record = json.loads((lab / "translated" / "runs" / "sib200-1-de.json").read_text(encoding="utf-8"))
        assert (record["trains_on"], list(record["scores"])) == (["de"], ["de"])
        assert {code: len(entry["per_seed"]) for code, entry in result["sib200"].items()} == {"en": 1, "de": 1, "tl": 1}

    def test_translate_train_all(self, lab: Path) -> None:
        arguments = ("--tasks", "sib200", "--languages", "de", "--seeds", "1", "--setting", "translate-train-all")
        job(lab, "all", *arguments).run()
        record = json.loads((lab / "all" / "runs" / "sib200-1.json").read_text(encoding="utf-8"))
        assert record["trains_on"] == ["en", "de"]
        assert record["training_rows"] == 48

    def test_intermediate_tasks_come_first_and_change_the_encoder(self, lab: Path) -> None:
        rows = [f"{'good' if number % 2 else 'bad'}\tit is {number}" for number in range(30)]
        (lab / "domain.tsv").write_text("label\ttext\n" + "\n".join(rows) + "\n", encoding="utf-8")
        chain = f"{lab / 'domain.tsv'},sib200"
        arguments = ("--tasks", "udpos,tatoeba,alignment", "--languages", "de", "--seeds", "1", "--intermediate", chain)
        result = job(lab, "chained", *arguments).run()
        folders = {folder.name.rsplit("-", 1)[0]: folder for folder in (lab / "chained" / "intermediate").iterdir()}
        assert set(folders) == {"domain-1", "domain+sib200-1"}
        words = [
            AutoModel.from_pretrained(folder).get_input_embeddings().weight
            for folder in (lab / "encoder", folders["domain-1"], folders["domain+sib200-1"])
        ]
        assert not torch.equal(words[0], words[1])
        assert not torch.equal(words[1], words[2])
        assert any("classifier" in key for key in load_file(folders["domain-1"] / "model.safetensors"))
        assert result["udpos"]["en"]["mean"] > 0
        about = json.loads((lab / "chained" / "evaluation.json").read_text(encoding="utf-8"))
        assert about["intermediate"] == ["domain", "sib200"]
        assert "Measured as domain > sib200 left the encoder" in (lab / "chained" / "report.md").read_text("utf-8")
        # what nothing trains is measured on the encoder after the chain
        end = ("--model", str(folders["domain+sib200-1"]), "--tasks", "tatoeba,alignment", "--languages", "de")
        after = job(lab, "end", *end).run()
        for task, languages in after.items():
            for language, entry in languages.items():
                assert result[task][language]["per_seed"] == entry["per_seed"], task
        predicted = [lab / name / "predictions" / "tatoeba" / "1" / "test-de.tsv" for name in ("chained", "end")]
        assert predicted[0].read_bytes() == predicted[1].read_bytes()

    def test_a_model_for_each_seed(self, lab: Path) -> None:
        arguments = ("--model", str(lab / "encoder"), str(lab / "other"), "--tasks", "sib200,tatoeba", "--seeds", "2")
        result = job(lab, "two", *arguments, "--languages", "de").run()
        records = [json.loads((lab / "two" / "runs" / f"sib200-{seed}.json").read_text()) for seed in (1, 2)]
        assert [Path(record["model"]).name for record in records] == ["encoder", "other"]
        assert len(result["tatoeba"]["de"]["per_seed"]) == 2
        assert "One checkpoint" not in (lab / "two" / "report.html").read_text(encoding="utf-8")

    def test_a_model_twice_is_one(self, lab: Path) -> None:
        encoder = str(lab / "encoder")
        arguments = ("--model", encoder, "--model", encoder, "--tasks", "tatoeba", "--languages", "de", "--seeds", "2")
        result = job(lab, "twice", *arguments).run()
        assert len(result["tatoeba"]["de"]["per_seed"]) == 1
        assert "One checkpoint" in (lab / "twice" / "report.md").read_text(encoding="utf-8")

    def test_labelled_files_of_one_name(self, lab: Path, tmp_path: Path) -> None:
        files = [tmp_path / place / "domain.tsv" for place in "ab"]
        for file in files:
            file.parent.mkdir()
            rows = [f"{file.parent.name} {number}\t{number % 2}" for number in range(12)]
            file.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
        given = job(lab, "named", "--tasks", "sib200", "--languages", "de", "--intermediate", ",".join(map(str, files)))
        assert [planned.rows("train", ["en"], 1)["text"][0].as_py() for planned in given.plan.chain] == ["a 0", "b 0"]


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ("--tasks", "sib200", "--languages", "fr"),
                r"sib200: no test data for fr .*; there are data for .*en, tl",
            ),
            (("--tasks", "udpos", "--languages", "de", "--setting", "translate-train"), r"udpos: no train data for de"),
            (("--tasks", "panx", "--languages", "qq"), r"'qq' is no language code"),
            (("--tasks", "nothing"), r"'nothing' is no task; the tasks are xnli"),
            (("--tasks", "lareqa"), r"lareqa: there are no data of this task under --data-root"),
            (("--tasks", "udpos", "--intermediate", "tatoeba"), r"--intermediate tatoeba: this task has no training"),
            (("--tasks", "udpos", "--intermediate", "x.tsv"), r"--intermediate x\.tsv: neither a task nor"),
            (("--tasks", "udpos", "udpos.epoch=3"), r"epoch: unknown key. Did you mean 'epochs'"),
            (("--tasks", "udpos", "--seeds", "0"), r"num_seeds: .*0"),
            (("--tasks", "udpos", "--model", "absent/model"), r"absent/model"),
            (("--tasks", "udpos", "--data-root", "/absent"), r"--data-root: there is no folder '/absent'"),
        ],
    )
    def test_before_any_training(self, lab: Path, arguments: tuple[str, ...], message: str) -> None:
        with pytest.raises(UserError, match=message):
            job(lab, "mistaken", *arguments)
        assert not (lab / "mistaken").exists()

    def test_a_label_that_the_task_does_not_know(self, lab: Path, tmp_path: Path) -> None:
        write_sib200(tmp_path)
        file = tmp_path / "sib200" / "deu_Latn" / "test.tsv"
        file.write_text(file.read_text(encoding="utf-8").replace("sports", "sport"), encoding="utf-8")
        with pytest.raises(UserError, match=r"for de have the label 'sport', which is none of the task's"):
            job(lab, "mistaken", "--tasks", "sib200", "--languages", "de", "--data-root", str(tmp_path))

    def test_a_label_without_training_examples_is_said(
        self, lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_udpos(tmp_path)
        file = tmp_path / "udpos" / "de_pud-ud-test.conllu"
        file.write_text(file.read_text(encoding="utf-8").replace("VERB", "AUX"), encoding="utf-8")
        job(lab, "mistaken", "--tasks", "udpos", "--languages", "de", "--data-root", str(tmp_path))
        assert "udpos, de: no training example has AUX; these count as wrong." in capsys.readouterr().out

    def test_more_threads_than_a_node_has(self, lab: Path) -> None:
        """Nothing of it stays that would keep the right number out of the folder."""
        with pytest.raises(UserError, match=r"--threads 999: no node of the cluster has room for a run of 999 CPU"):
            job(lab, "wide", "--tasks", "tatoeba", "--languages", "de", "--threads", "999").run()
        assert not (lab / "wide").exists()
