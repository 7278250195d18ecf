"""Checkpoints that are not what their architecture asks for are refused; a head may be new, and is named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DebertaV2Config,
    DebertaV2Model,
    ElectraConfig,
    ElectraForPreTraining,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from weam_ray.errors import UserError
from weam_ray.model.weights import load_pretrained

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
}
Weights = dict[str, torch.Tensor]
CLASSES = pytest.mark.parametrize("head", ["AutoModelForMaskedLM", "AutoModel"])


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    BertForMaskedLM(BertConfig(**SIZES)).save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def changed(folder: Path, change: Callable[[Weights], Weights]) -> str:
    """A copy of a checkpoint with other weights."""
    copy = folder.with_name(f"{folder.name}-changed")
    shutil.copytree(folder, copy)
    save_file(change(load_file(copy / "model.safetensors")), copy / "model.safetensors", metadata={"format": "pt"})
    return str(copy)


def refusal(head: str, folder: str) -> str:
    with pytest.raises(UserError) as caught:
        load_pretrained(head, folder, "encoder.name=it")
    return str(caught.value)


@CLASSES
@pytest.mark.parametrize("prefix", ["module.", "model.encoder_wrapper."])
def test_names_behind_a_prefix(bert: Path, head: str, prefix: str) -> None:
    folder = changed(bert, lambda weights: {prefix + name: own for name, own in weights.items()})
    sentence = refusal(head, folder)
    kind, total = ("BertForMaskedLM", 44) if head == "AutoModelForMaskedLM" else ("BertModel", 39)
    assert f"encoder.name=it: the checkpoint lacks weights that {kind} asks for: {total} of {total}" in sentence
    assert f"Every name there begins with '{prefix.partition('.')[0]}': save the weights without" in sentence


@CLASSES
def test_a_layer_that_is_missing(bert: Path, head: str) -> None:
    folder = changed(bert, lambda weights: {name: own for name, own in weights.items() if "layer.1." not in name})
    sentence = refusal(head, folder)
    assert "encoder.layer.1.attention.output.LayerNorm.bias" in sentence
    assert "and 13 more" in sentence
    assert "They would be random numbers" in sentence


@CLASSES
def test_a_layer_that_config_json_does_not_ask_for(bert: Path, head: str) -> None:
    def deeper(weights: Weights) -> Weights:
        more = {
            name.replace("layer.1.", "layer.2."): own.clone() for name, own in weights.items() if "layer.1." in name
        }
        return weights | more

    assert "has 16 weights of an encoder that" in refusal(head, changed(bert, deeper))


@CLASSES
def test_weights_of_another_shape(bert: Path, head: str) -> None:
    def narrower(weights: Weights) -> Weights:
        return {
            name: own[:-1].clone() if name.endswith("intermediate.dense.bias") else own for name, own in weights.items()
        }

    sentence = refusal(head, changed(bert, narrower))
    assert "2 weights of the checkpoint have another shape" in sentence
    assert "encoder.layer.0.intermediate.dense.bias: [31] there, [32] asked for" in sentence


def test_files_that_are_no_weights(bert: Path) -> None:
    file = bert / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert "encoder.name=it: the model cannot be loaded" in refusal("AutoModel", str(bert))
    file.unlink()
    assert "no file named model.safetensors" in refusal("AutoModel", str(bert))


def test_a_whole_checkpoint_has_no_new_weights(bert: Path) -> None:
    assert load_pretrained("AutoModelForMaskedLM", str(bert), "it").new == ()
    ready = load_pretrained("AutoModel", str(bert), "it")
    assert ready.new == ("pooler.dense.bias", "pooler.dense.weight")


def test_names_of_old_releases_and_buffers_are_known(bert: Path) -> None:
    def old(weights: Weights) -> Weights:
        named = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): own
            for name, own in weights.items()
        }
        return {**named, "bert.embeddings.position_ids": torch.arange(512)[None]}

    loaded = load_pretrained("AutoModelForMaskedLM", changed(bert, old), "it")
    assert loaded.new == ()
    whole = load_pretrained("AutoModelForMaskedLM", str(bert), "it").model.state_dict()
    assert all(torch.equal(own, whole[name]) for name, own in loaded.model.state_dict().items())


def headless(weights: Weights) -> Weights:
    return {name: own for name, own in weights.items() if not name.startswith("cls.")}


def test_a_head_may_be_new(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    ElectraForPreTraining(ElectraConfig(**SIZES, embedding_size=8)).save_pretrained(tmp_path / "electra")
    DebertaV2Model(DebertaV2Config(**SIZES)).save_pretrained(tmp_path / "deberta")
    XLMRobertaForSequenceClassification(XLMRobertaConfig(**SIZES)).save_pretrained(tmp_path / "classifier")
    for folder, head in {
        changed(bert, headless): "cls.predictions.",
        str(tmp_path / "electra"): "generator_",
        str(tmp_path / "deberta"): "cls.predictions.",
        str(tmp_path / "classifier"): "lm_head.",
    }.items():
        loaded = load_pretrained("AutoModelForMaskedLM", folder, "it")
        assert loaded.new
        assert all(name.startswith(head) for name in loaded.new)


def test_names_and_shapes_alone(bert: Path) -> None:
    """What a preview looks at: no weight is read, and the same is refused."""
    loaded = load_pretrained("AutoModelForMaskedLM", changed(bert, headless), "it", device_map="meta")
    assert {own.device.type for own in loaded.model.parameters()} == {"meta"}
    assert len(loaded.new) == 6


@pytest.mark.parametrize("head", ["AutoModelForMaskedLM", "AutoModel"])
def test_a_second_copy_of_a_weight_as_in_the_published_mdeberta(tmp_path: Path, head: str) -> None:
    """Its word embeddings stand there twice, as `weight` and `_weight`; any other name too many is refused still."""
    options = {"relative_attention": True, "position_biased_input": False, "type_vocab_size": 0}
    DebertaV2Model(DebertaV2Config(**SIZES, **options)).save_pretrained(tmp_path / "deberta")
    words = "embeddings.word_embeddings"

    def published(weights: Weights) -> Weights:
        return {f"deberta.{name}": own for name, own in weights.items()} | {
            f"deberta.{words}._weight": weights[f"{words}.weight"].clone()
        }

    folder = changed(tmp_path / "deberta", published)
    assert all(not name.startswith("deberta.") for name in load_pretrained(head, folder, "it").new)
    other = changed(Path(folder), lambda weights: weights | {"deberta.encoder.rel_embeddings.other": torch.zeros(3)})
    assert "deberta.encoder.rel_embeddings.other" in refusal(head, other)


@pytest.mark.parametrize("content", [[1, 2], {"a": "text"}, 7], ids=str)
def test_a_file_of_other_things_than_weights(bert: Path, content: Any) -> None:
    (bert / "model.safetensors").unlink()
    torch.save(content, bert / "pytorch_model.bin")
    assert refusal("AutoModelForMaskedLM", str(bert)).startswith("encoder.name=it: the ")
