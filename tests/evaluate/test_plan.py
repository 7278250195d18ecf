"""What an evaluation plans, and refuses before anything is trained."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.lab import write_encoder, write_gold, write_sib200, write_tatoeba, write_xquad
from tests.support.own import write_moods
from tests.support.writing import write, write_csv
from weam_ray.errors import UserError
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.run import AlignmentRun, Run
from weam_ray.evaluate.tables import earlier_table_fingerprint, same_rows, table_fingerprint
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.evaluate_options import evaluation_settings
from weam_ray.jobs.flags import EVALUATE
from weam_ray.settings.config import Config
from weam_ray.store.files import SourceHashes


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, wordpiece: Any, sentencepiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    for write_task in (write_sib200, write_tatoeba, write_gold, write_xquad):
        write_task(folder / "data")
    write_encoder(folder / "encoder", wordpiece)
    write_encoder(folder / "other", wordpiece, seed=2)
    write_encoder(folder / "foreign", sentencepiece)
    return folder


def plan(lab: Path, *arguments: str) -> EvaluationPlan:
    given = ["--data-root", str(lab / "data"), "--output", str(lab / "output")]
    given += [] if "--model" in arguments else ["--model", str(lab / "encoder")]
    settings = evaluation_settings(parse(EVALUATE, "", [*given, *arguments]))
    return EvaluationPlan(settings, SourceHashes(lab / "sources.json"))


def models(*folders: Path) -> list[str]:
    return [argument for folder in folders for argument in ("--model", str(folder))]


class TestDevice:
    def test_a_gpu_counts_and_a_cpu_counts_as_before(self, lab: Path) -> None:
        """Evaluations on CPUs that were begun before `use_gpu` counted go on."""
        given = ["--tasks", "sib200,tatoeba", "--languages", "de", "--seeds", "1"]
        on_cpu, on_gpu = plan(lab, *given), plan(lab, *given, "--use-gpu")
        assert on_cpu.device == {"threads": 1}
        assert on_gpu.device == {"threads": 1, "use_gpu": True}
        for here, there in zip(on_cpu.runs, on_gpu.runs, strict=True):
            assert here.name == there.name
            assert here.fingerprint != there.fingerprint


class TestLayer:
    @pytest.mark.parametrize(("given", "used"), [([], 2), (["tatoeba.layer=-1"], 2), (["tatoeba.layer=0"], 0)])
    def test_the_one_in_use_is_known_and_told(self, lab: Path, given: list[str], used: int) -> None:
        """Whatever key it follows from."""
        tatoeba, sib200 = plan(lab, "--tasks", "tatoeba,sib200", "--languages", "de", *given).tasks
        assert (tatoeba.layers, sib200.layers) == ([used], [])
        assert f"The figures are those of layer {used}." in tatoeba.notes


class TestModels:
    def test_seeds_take_models_in_turn(self, lab: Path) -> None:
        given = models(lab / "encoder", lab / "other")
        found = plan(lab, *given, "--tasks", "sib200,tatoeba", "--languages", "de", "--seeds", "2", "--first-seed", "4")
        assert [(run.name, Path(run.model).name) for run in found.runs] == [
            ("sib200-4", "encoder"),
            ("sib200-5", "other"),
            ("tatoeba-1", "encoder"),
            ("tatoeba-2", "other"),
        ]

    def test_models_with_other_tokenizers(self, lab: Path) -> None:
        with pytest.raises(UserError, match="the models of one system must share a tokenizer, and these do not"):
            plan(lab, *models(lab / "encoder", lab / "foreign"), "--tasks", "sib200", "--seeds", "2")

    def test_a_model_without_the_files_of_its_tokenizer(self, lab: Path, tmp_path: Path, wordpiece: Any) -> None:
        for file in write_encoder(tmp_path / "bare", wordpiece).glob("tokenizer*"):
            file.unlink()
        with pytest.raises(UserError, match="bare: its tokenizer has"):
            plan(lab, *models(tmp_path / "bare"), "--tasks", "sib200")

    @pytest.mark.parametrize("short", [1, 300])
    @pytest.mark.parametrize("task", ["sib200", "tatoeba", "alignment"])
    def test_a_tokenizer_with_more_words(
        self, lab: Path, tmp_path: Path, wordpiece: Any, task: str, short: int
    ) -> None:
        words = len(wordpiece) - short
        encoder = write_encoder(tmp_path / "encoder", wordpiece, num_words=words)
        with pytest.raises(
            UserError, match=rf"--model .*encoder: {words} embeddings for a tokenizer of {words + short}"
        ):
            plan(lab, *models(encoder), "--tasks", task)

    @pytest.mark.parametrize(
        ("task", "override", "message"),
        [
            ("tatoeba", "tatoeba.layer=3", r"tatoeba\.layer=3: .*encoder has layers 0 \(embeddings\) to 2"),
            ("alignment", "alignment.layer=-4", r"alignment\.layer=-4: .*encoder has layers 0"),
            ("alignment", "recipe.layer=9", r"alignment\.layer=9: .*encoder has layers 0"),
            ("sib200", "recipe.layer=9", r"sib200\.layer=9: .*encoder has layers 0"),
        ],
    )
    def test_layers_that_the_encoder_has_not(self, lab: Path, task: str, override: str, message: str) -> None:
        with pytest.raises(UserError, match=message):
            plan(lab, "--tasks", task, override)

    @pytest.mark.parametrize("layer", [-3, 0, 2])
    def test_layers_that_it_has(self, lab: Path, layer: int) -> None:
        (run,) = plan(lab, "--tasks", "alignment", f"alignment.layer={layer}").runs
        assert isinstance(run, AlignmentRun)
        assert run.layer == layer


class TestWindowsOfQuestions:
    """The encoder has 128 positions, the recipe 384 tokens, and windows that begin 128 apart."""

    def test_length_and_stride_are_lowered(self, lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (planned,) = plan(lab, "--tasks", "xquad", "--languages", "de").tasks
        assert (planned.recipe.max_length, planned.recipe.stride) == (128, 30)
        told = ("max_length is 128, not 384: the encoder has no more positions.", "The stride is 30")
        assert all(any(note.startswith(start) for note in planned.notes) for start in told)
        assert f"xquad: {' '.join(told)}" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("xquad.stride=100", "stride 100: a window of max_length 128 .* has room for 61 tokens of the context"),
            ("xquad.max_length=256", r"xquad\.max_length=256: the encoder has positions for 128 tokens"),
            ("xquad.max_length=64", "max_length 64 with a question of max_question 64 has no room for the context"),
            ("xquad.max_question=126", "max_length 128 with a question of max_question 126 has no room"),
        ],
    )
    def test_what_was_asked_for_is_refused(self, lab: Path, override: str, message: str) -> None:
        with pytest.raises(UserError, match=message):
            plan(lab, "--tasks", "xquad", "--languages", "de", override)


def test_rows_that_are_left_out_are_told(lab: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "a\tb\tneutral\nc\td\t-\ne\tf\tentailment\ng\th\tcontradiction\n"
    for name in ("train-en", "dev-en", "test-de"):
        write(tmp_path / f"xnli/{name}.tsv", rows)
    write(tmp_path / "xnli/test-fr.tsv", "a\tb\tneutral\n")
    given = ("--data-root", str(tmp_path), "--languages", "de,fr", "--seeds", "1")
    told = "Rows on whose label annotators did not agree are left out: train en 1, dev en 1, test de 1."
    (planned,) = plan(lab, *given, "--tasks", "xnli").tasks
    assert (planned.notes, planned.labels) == ([told], ("contradiction", "entailment", "neutral"))
    assert f"xnli: {told}" in capsys.readouterr().out
    write_sib200(tmp_path)
    chained = plan(lab, *given[:-2], "--languages", "de", "--tasks", "sib200", "--intermediate", "xnli")
    assert f"xnli: {told.replace(', test de 1', '')}" in chained.notes


def test_a_labelled_file_has_a_recipe_by_its_name(lab: Path, tmp_path: Path) -> None:
    rows = [[f"text {number}", "good" if number % 2 else "bad"] for number in range(20)]
    file = str(write_csv(tmp_path / "domain.tsv", [["text", "label"], *rows]))
    given = ("--tasks", "sib200", "--languages", "de", "--intermediate", file)
    found = plan(lab, *given, "recipe.batch_size=4", "domain.epochs=1.5")
    (domain,) = found.chain
    assert (domain.recipe.epochs, domain.recipe.batch_size, domain.labels) == (1.5, 4, ("bad", "good"))
    assert found.tasks[0].recipe.epochs == 20
    with pytest.raises(UserError, match=r"epoch: unknown key\. Did you mean 'epochs'"):
        plan(lab, *given, "domain.epoch=1.5")


class TestOwnTasks:
    MOODS = ("own_tasks.moods.folder=moods",)

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return write_moods(tmp_path, "en", "de")

    def test_languages_and_labels_follow_from_the_files(self, lab: Path, root: Path) -> None:
        given = ("--data-root", str(root), "--tasks", "moods", "--intermediate", "moods", "--seeds", "1", *self.MOODS)
        found = plan(lab, *given, "--setting", "translate-train")
        (planned,) = found.tasks
        assert (planned.tests, planned.labels) == (("en", "de"), ("bad", "good", "so-so"))
        assert [(run.name, run.trains_on) for run in found.runs if isinstance(run, Run)] == [
            ("moods-1-en", ("en",)),
            ("moods-1-de", ("de",)),
        ]
        assert found.chain[0].counts == {"train-en": 24, "dev-en": 8}

    def test_the_metric_counts_in_fingerprints(self, lab: Path, root: Path) -> None:
        """It chooses the epoch, of the task itself and of one that comes before another."""
        given = ("--data-root", str(root), "--languages", "de", "--seeds", "1", *self.MOODS)
        for tasks in (("--tasks", "moods"), ("--tasks", "sib200", "--intermediate", "moods")):
            write_sib200(root)
            first, second = (
                plan(lab, *given, *tasks, f"own_tasks.moods.metric={metric}").runs[0].fingerprint
                for metric in ("accuracy", "macro_f1")
            )
            assert first != second

    @pytest.mark.parametrize("split", ["dev", "test"])
    def test_a_label_that_training_lacks(self, lab: Path, root: Path, split: str) -> None:
        code = "en" if split == "dev" else "de"
        with (root / "moods" / code / f"{split}.tsv").open("a", encoding="utf-8") as file:
            file.write("99\tawful\ttext\n")
        message = f"moods: the {split} data for {code} have the label 'awful', which no training example has"
        with pytest.raises(UserError, match=message):
            plan(lab, "--data-root", str(root), "--tasks", "moods", *self.MOODS)

    def test_a_language_without_translations(self, lab: Path, root: Path) -> None:
        (root / "moods/de/train.tsv").unlink()
        given = ("--data-root", str(root), "--tasks", "moods", *self.MOODS)
        assert plan(lab, *given).tasks[0].tests == ("en", "de")
        with pytest.raises(UserError, match=r"moods: no train data for de: .*moods/de/train\.tsv is expected"):
            plan(lab, *given, "--setting", "translate-train-all")

    @pytest.mark.parametrize(
        ("setting", "most", "told"),
        [
            ("zero-shot", 24, ""),
            (
                "zero-shot",
                25,
                "max_train=25 takes 25 training examples a language, and there are fewer, which all",
            ),
            ("translate-train-all", 48, ""),
            ("translate-train-all", 49, "max_train=49 takes 25 training examples a language"),
        ],
    )
    def test_fewer_rows_than_are_to_be_drawn_are_told(
        self, lab: Path, root: Path, setting: str, most: int, told: str
    ) -> None:
        given = ("--data-root", str(root), "--tasks", "moods", "--setting", setting, *self.MOODS)
        (planned,) = plan(lab, *given, f"moods.max_train={most}").tasks
        assert bool(planned.notes) == bool(told)
        assert any(note.startswith(told) for note in planned.notes or [""])


class TestHeads:
    """A task goes on with the head of the intermediate task before it if that is of its kind and labels."""

    def test_social_iqa_to_xcopa(self, lab: Path, tmp_path: Path) -> None:
        answers = {"context": "a", "question": "b", "answerA": "c", "answerB": "d", "answerC": "e", "correct": "A"}
        for name in ("trn", "dev"):
            write(tmp_path / f"siqa/socialIQa_v1.4_{name}.jsonl", json.dumps(answers) + "\n")
        rows = [{"premise": "a", "question": "cause", "choice1": "b", "choice2": "c", "label": n} for n in (0, 1)]
        for name in ("train-en", "val-en", "test-et"):
            write(tmp_path / f"xcopa/{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        given = ("--data-root", str(tmp_path), "--tasks", "xcopa", "--languages", "et", "--seeds", "1")
        kept, new = (
            [run for run in plan(lab, *given, *chain).runs if isinstance(run, Run)]
            for chain in (("--intermediate", "siqa"), ())
        )
        assert [run.keeps_head for run in kept] == [True]
        assert [run.keeps_head for run in new] == [False]

    def test_labels_of_its_own(self, lab: Path, tmp_path: Path) -> None:
        files = []
        for name, labels in (("first", "ab"), ("second", "ab"), ("third", "abc")):
            rows = [[f"text {number}", labels[number % len(labels)]] for number in range(30)]
            files.append(str(write_csv(tmp_path / f"{name}.tsv", [["text", "label"], *rows])))
        given = ("--tasks", "sib200", "--languages", "de", "--seeds", "1")
        found = plan(lab, *given, "--intermediate", ",".join(files))
        assert [found.keeps_head(own) for own in found.chain] == [False, True, False]
        assert [found.keeps_head(own) for own in found.tasks] == [False]


class TestHeldOutPairs:
    @pytest.fixture
    def model(self, tmp_path: Path, tiny_config: Config, wordpiece: Any) -> Path:
        """That of a run whose stages are gone."""
        folder = tmp_path / "home" / "runs" / "first"
        write(folder / "config.yaml", tiny_config.to_yaml())
        return write_encoder(folder / "model", wordpiece)

    def test_pairs_that_are_gone_leave_gold_sets(
        self, lab: Path, model: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (run,) = plan(lab, *models(model), "--tasks", "alignment").runs
        assert isinstance(run, AlignmentRun)
        assert (run.held_out, run.root) == (None, lab / "data")
        told = capsys.readouterr().out
        assert f"the aligned pairs of this run are not under {model.parents[2] / 'stages'} any more" in told
        assert "Gold sets alone are measured." in told

    def test_pairs_that_are_gone_without_gold_sets(self, lab: Path, model: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(UserError, match="the aligned pairs of this run are not under"):
            plan(lab, *models(model), "--tasks", "alignment", "--data-root", str(tmp_path / "empty"))

    def test_pairs_that_were_asked_for(self, lab: Path, model: Path) -> None:
        with pytest.raises(UserError, match="the aligned pairs of this run are not under"):
            plan(lab, "--tasks", "alignment", f"held_out={model.parent}")
        with pytest.raises(UserError, match=r"there is no config\.yaml, so this is no folder of a run"):
            plan(lab, *models(model), "--tasks", "alignment", f"held_out={lab}")

    def test_neither_pairs_nor_gold_sets(self, lab: Path, tmp_path: Path) -> None:
        with pytest.raises(
            UserError, match=r"no held-out pairs for .*encoder, and --data-root has no gold/\*\.src-tgt"
        ):
            plan(lab, "--tasks", "alignment", "--data-root", str(tmp_path))

    def test_all_models_are_measured_alike(self, lab: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pairs = [SimpleNamespace(name="xx", fingerprint="1")]
        monkeypatch.setattr("weam_ray.evaluate.plan.held_out_of", lambda run: pairs)
        for given, expected in (
            ([model], [model.parent]),
            ([model, lab / "other"], [None, None]),
        ):
            found = plan(lab, *models(*given), "--tasks", "alignment", "--seeds", str(len(given)))
            assert [run.held_out for run in found.runs if isinstance(run, AlignmentRun)] == expected


class TestEarlierVersion:
    """An evaluation that a version with other hashes of tables began goes on with these."""

    def test_its_runs_are_known(self, lab: Path, tmp_path: Path) -> None:
        given = ("--tasks", "sib200,tatoeba", "--languages", "de", "--seeds", "1", "--output", str(tmp_path))
        new = plan(lab, *given)
        rows = new.tasks[0].tables["train", "en"]
        assert new.tasks[0].data_fingerprints["train-en"] == table_fingerprint(rows)
        write(tmp_path / "plan.json", json.dumps(new.file({})))
        assert [run.fingerprint for run in plan(lab, *given).runs] == [run.fingerprint for run in new.runs]
        write(tmp_path / "plan.json", json.dumps({"identity": new.identity, "runs": {}}))
        old = plan(lab, *given)
        assert old.tasks[0].data_fingerprints["train-en"] == earlier_table_fingerprint(rows)
        assert not {run.fingerprint for run in old.runs} & {run.fingerprint for run in new.runs}
        assert old.file({"other": "f"}) == {
            "identity": new.identity,
            "runs": {"other": "f", **{run.name: run.fingerprint for run in old.runs}},
        }
        for both in zip(old.tasks, new.tasks, strict=True):
            first, second = (planned.test_fingerprints() for planned in both)
            assert all(same_rows(first[code], second[code]) for code in first)
