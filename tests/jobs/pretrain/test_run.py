"""The main job as a whole, on a small corpus: Ray Data, Ray Train, DeepSpeed, export, measurement, MLflow."""

import json
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertModel

from tests.support.main_job import chatter, config_of, losses, run
from weam_ray.errors import UserError
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.settings.config import load_config
from weam_ray.train.log import read_steps

pytestmark = pytest.mark.ray


def test_the_main_job(ray_session: None, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = config_of(place)
    folder = run(place)
    said = capfd.readouterr()
    assert chatter(said.out + said.err) == []
    lines = said.out.splitlines()
    what = ("pre-training", "corpus", "encoder", "objective", "batch", "steps", "workers", "folder")
    assert [line.partition(":")[0] for line in lines[:8]] == [*what]
    assert sum("On held-out text" in line for line in lines) == 1  # one table
    assert [line.partition(":")[0] for line in lines[-3:]] == ["Results", "Compare runs", "The run in MLflow"]
    assert folder.parent == place / "home" / "runs"
    assert load_config(str(folder / "config.yaml")) == config
    steps = read_steps(folder / "losses.jsonl")
    assert [entry["step"] for entry in steps] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "multilingual_loss", "cross_lingual_loss", "learning_rate", "tokens"} <= steps[0].keys()

    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    for when in ("before", "after"):
        scores = result["retrieval"][when]["xx"]
        assert set(scores) == {"to_english", "from_english", "to_english_uncentred"}
        assert all(0 <= value <= 1 for value in scores.values())
        assert result["loss"][when]["unigram_entropy"] > 0
    assert result["loss"]["before"] != result["loss"]["after"]
    assert result["tokens_per_second"] > 0
    totals = result["totals"]
    assert totals["tokens"] == sum(entry["tokens"] for entry in steps)
    assert totals["predictions"] == sum(entry["masked_tokens"] for entry in steps) < totals["head_rows"]
    assert result["seconds"] > 0
    assert result["padding_share"] < 0.1
    assert (folder / "result.png").read_bytes().startswith(b"\x89PNG")

    model = AutoModelForMaskedLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert (folder / "model" / "model.safetensors").is_file()
    assert model(**tokenizer("the house", "da esuohu", return_tensors="pt")).logits.shape[-1] == len(tokenizer)

    client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow.db'}")
    mlflow_run = client.get_run(result["mlflow_run_id"])
    assert mlflow_run.info.status == "FINISHED"
    assert mlflow_run.data.params["objective.lambda"] == "1.0"
    assert len(mlflow_run.data.params) < 60
    assert mlflow_run.data.metrics["retrieval_after/xx/to_english"] == result["retrieval"]["after"]["xx"]["to_english"]
    assert mlflow_run.data.tags["model"] == str(folder / "model")
    for metric in ("loss", "learning_rate", "tokens_per_second"):
        assert [entry.step for entry in client.get_metric_history(mlflow_run.info.run_id, metric)] == [1, 2, 3, 4, 5, 6]
    (entry,) = mlflow_run.inputs.dataset_inputs
    assert (entry.dataset.name, len(entry.dataset.digest)) == ("en-xx", 16)
    files = {file.path for file in client.list_artifacts(mlflow_run.info.run_id)}
    assert files == {"config.yaml", "result.json", "result.png"}

    capfd.readouterr()
    before = (folder / "result.json").stat().st_mtime_ns
    assert run(place) == folder
    assert "This run is finished" in capfd.readouterr().out
    assert (folder / "result.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"objective\.lambda: 1\.0 there, 0\.5 here"):
        run(place, f"output.dir={folder}", "objective.lambda=0.5")


# 30 steps with dropout and clipping, in micro-batches of half the batch
HALVES = ("training.micro_batch_size=4", "training.max_steps=30", "training.checkpoint_steps=15")


@pytest.mark.slow
def test_two_workers_of_zero_2_are_one_worker_that_accumulates(ray_session: None, place: Path) -> None:
    one = run(place, *HALVES)
    two = run(place, *HALVES, "training.num_workers=2", "training.zero_stage=2")
    assert one != two
    assert len(losses(two)) == 30
    assert max(entry["gradient_norm"] for entry in read_steps(two / "losses.jsonl")) > 1  # so that clipping acts
    assert losses(two) == pytest.approx(losses(one), rel=1e-5)
    first, second = (AutoModelForMaskedLM.from_pretrained(folder / "model").state_dict() for folder in (one, two))
    for name, weights in first.items():
        torch.testing.assert_close(second[name], weights, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 1, 3])
def test_every_zero_stage_trains_alike(ray_session: None, place: Path, stage: int) -> None:
    found = run(place, *HALVES, "training.num_workers=2", f"training.zero_stage={stage}")
    reference_run = run(place, *HALVES)
    assert losses(found) == pytest.approx(losses(reference_run), rel=1e-5)
    exported = AutoModelForMaskedLM.from_pretrained(found / "model").state_dict()
    reference = AutoModelForMaskedLM.from_pretrained(reference_run / "model").state_dict()
    for name, weights in reference.items():
        torch.testing.assert_close(exported[name], weights, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ("objective=mlm",),
        ("objective=word_aligned",),
        ("objective.name=mixture", "objective.mixture={mlm: 0.5, weam: 1.0}"),
    ],
)
@pytest.mark.parametrize("stage", [2, 3])
def test_every_objective_on_two_workers(ray_session: None, place: Path, overrides: tuple[str, ...], stage: int) -> None:
    """Means over the global batch, whatever it is that a worker's own rows have more of."""
    one = run(place, *HALVES, *overrides)
    two = run(place, *HALVES, *overrides, "training.num_workers=2", f"training.zero_stage={stage}")
    assert losses(two) == pytest.approx(losses(one), rel=1e-5)
    assert losses(two)[-1] != losses(two)[0]
    first, second = (AutoModelForMaskedLM.from_pretrained(folder / "model").state_dict() for folder in (one, two))
    for name, weights in first.items():  # the head too, which word_aligned does not use: it decays alike
        torch.testing.assert_close(second[name], weights, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "tolerance"),
    [
        (("encoder.attention=eager",), 1e-5),
        (("training.gradient_checkpointing=true",), 1e-6),
        (("training.gradient_checkpointing=true", "training.zero_stage=3"), 1e-5),
        (("training.precision=bf16",), 1e-2),
        (("training.precision=bf16", "training.zero_stage=1"), 1e-2),
        (("training.precision=bf16", "training.zero_stage=3"), 1e-2),
        (("training.compile=true",), 2e-2),  # its dropout draws other numbers
    ],
)
def test_settings_of_speed_and_memory(
    ray_session: None, place: Path, overrides: tuple[str, ...], tolerance: float
) -> None:
    plain, found = run(place, *HALVES), run(place, *HALVES, *overrides)
    assert found != plain
    assert losses(found) == pytest.approx(losses(plain), rel=tolerance)


@pytest.mark.slow
def test_an_encoder_without_room_for_the_longest_pairs(ray_session: None, place: Path) -> None:
    with pytest.raises(UserError, match=r"training\.max_length=80: the encoder has positions for 64 tokens"):
        run(place, "training.max_length=80")


def test_a_loss_that_is_no_number_ends_the_run_with_a_sentence(ray_session: None, place: Path) -> None:
    job = Pretraining.of(config_of(place, "optimizer.learning_rate=1e20", "optimizer.max_gradient_norm=0.0"), place)
    with pytest.raises(UserError, match=r"Step \d+: the loss is (nan|inf)"):
        job.run()
    state = json.loads((job.folder.path / "state.json").read_text(encoding="utf-8"))
    assert state["status"] == "running"
    assert not (job.folder.path / "result.json").exists()
    client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow.db'}")
    assert client.get_run(state["mlflow_run_id"]).info.status == "FAILED"


@pytest.mark.slow
def test_a_sentencepiece_encoder_from_a_folder(
    ray_session: None, place: Path, tmp_path: Path, sentencepiece: object
) -> None:
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    shape = XLMRobertaConfig(
        vocab_size=len(sentencepiece),
        type_vocab_size=1,
        pad_token_id=1,
        hidden_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        intermediate_size=32,
        max_position_embeddings=130,
    )
    XLMRobertaForMaskedLM(shape).save_pretrained(tmp_path / "xlmr")
    sentencepiece.save_pretrained(tmp_path / "xlmr")
    folder = run(place, f"encoder.name={tmp_path / 'xlmr'}", "objective=tlm", "training.max_steps=2")
    assert "cross_lingual_loss" not in read_steps(folder / "losses.jsonl")[0]
    loaded = AutoModelForMaskedLM.from_pretrained(folder / "model")
    assert loaded.config.model_type == "xlm-roberta"
    assert AutoTokenizer.from_pretrained(folder / "model").tokenize("the house") == sentencepiece.tokenize("the house")


@pytest.mark.slow
def test_an_encoder_by_a_relative_path_with_a_new_head(
    ray_session: None,
    place: Path,
    tmp_path: Path,
    wordpiece: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the README has it, from a folder other than that of the program; what is new is said once, and kept."""
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(wordpiece), **sizes)).save_pretrained(tmp_path / "runs" / "base" / "model")
    wordpiece.save_pretrained(tmp_path / "runs" / "base" / "model")
    monkeypatch.chdir(tmp_path)
    folder = run(place, "encoder.name=runs/base/model", "training.max_steps=2", "output.dir=runs/next")
    assert folder == tmp_path / "runs" / "next"
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    (head, *unknown, began) = result["notes"]
    assert began == "The model began from model; what that was pre-trained on is not known."
    assert "no trained head for predicting masked tokens" in head
    printed = capsys.readouterr().out
    assert printed.count(head) == 1
    # the words of the other language are made up, so its letters alone are known to this tokenizer, or not
    assert set(result["unknown_tokens"]) == {"en", "xx"}
    assert [line for line in printed.splitlines() if line.startswith("warning: ")] == [
        f"warning: {own}" for own in unknown
    ]
    assert printed.count("unknown tokens: en ") == 1


def test_a_checkpoint_that_is_not_whole_ends_the_run_before_its_stages(
    ray_session: None, tmp_path: Path, moses_files: tuple[Path, Path], wordpiece: object
) -> None:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
    encoder = tmp_path / "encoder"
    BertForMaskedLM(BertConfig(vocab_size=len(wordpiece), **sizes)).save_pretrained(encoder)
    wordpiece.save_pretrained(encoder)
    weights = load_file(encoder / "model.safetensors")
    kept = {name: own for name, own in weights.items() if "layer.1." not in name}
    save_file(kept, encoder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"the checkpoint lacks weights that BertForMaskedLM asks for: 16 of 44"):
        run(tmp_path, f"encoder.name={encoder}")
    assert not list((tmp_path / "home" / "stages").glob("corpus-*"))
    assert not list((tmp_path / "home" / "runs").rglob("result.json"))


@pytest.mark.parametrize(
    "overrides", [(), ("objective.name=mixture", "objective.mixture={mlm: 1, tlm: 1, weam: 1, word_aligned: 1}")]
)
def test_mlflow_is_given_few_parameters(overrides: tuple[str, ...]) -> None:
    found = load_config("bundled", overrides).parameters()
    assert len(found) <= 60
    assert found["objective.lambda"] == 1.0
    assert None not in found.values()
    assert ("objective.mixture.mlm" in found) == bool(overrides)
    assert "training.weights_only" not in found
    going_on = load_config("bundled", ["training.continue_from=runs/a", "training.weights_only=true"])
    assert going_on.parameters()["training.weights_only"] is True


@pytest.mark.ray
def test_no_steps_export_the_encoder_as_it_begins(ray_session: None, place: Path) -> None:
    """The control of a plain encoder, and with random weights that of an encoder that learned nothing."""
    folder = run(place, "training.max_steps=0")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (result["steps"], result["tokens_per_second"]) == (0, 0)
    assert result["totals"] == {"tokens": 0, "predictions": 0, "head_rows": 0}
    assert result["retrieval"]["before"] == result["retrieval"]["after"]
    assert (folder / "result.png").is_file()
    assert run(place, "training.max_steps=0") == folder  # finished
