"""The exported model: whole, as others load it, and fine-tuned as its base is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaModel,
    set_seed,
)

from weam_ray.evaluate.models import examine, with_new_head
from weam_ray.model.encoder import build_encoder
from weam_ray.overlap.record import FILE, Record
from weam_ray.settings.encoder import EncoderSection
from weam_ray.train.export import export

SEEN = Record(np.array([3, 4])).to_bytes()
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}


def saved(model: Any, tokenizer: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def bert(kind: Any, tokenizer: Any, folder: Path) -> Path:
    set_seed(5)
    return saved(kind(BertConfig(vocab_size=len(tokenizer), hidden_dropout_prob=0.2, **SMALL)), tokenizer, folder)


def exported(base: Path, tokenizer: Any, folder: Path, step: float = 0.0) -> Path:
    """What a training leaves that moves every weight by a step, without dropout."""
    settings = EncoderSection(name=str(base), dropout=0.0)
    model = build_encoder(settings, tokenizer, seed=1)
    weights = {name: parameter.detach() + step for name, parameter in model.named_parameters()}
    export(weights, settings, tokenizer, {FILE: SEEN}, folder)
    return folder


def fine_tuned(path: Path, tokenizer: Any) -> list[float]:
    """The losses of three steps of a classifier on an encoder, with its own dropout."""
    set_seed(3)
    model = with_new_head("AutoModelForSequenceClassification", str(path), num_labels=3).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    inputs = tokenizer(["Is it raining?", "It is not."], padding=True, return_tensors="pt")
    losses = []
    for _ in range(3):
        loss = model(**inputs, labels=torch.tensor([0, 2])).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", [BertForPreTraining, BertForMaskedLM])
def test_without_a_step_the_export_is_fine_tuned_as_its_base_is(kind: Any, wordpiece: Any, tmp_path: Path) -> None:
    base = bert(kind, wordpiece, tmp_path / "base")
    export = exported(base, wordpiece, tmp_path / "model")
    assert fine_tuned(export, wordpiece) == fine_tuned(base, wordpiece)


def test_the_pooler_of_xlm_r_is_kept(sentencepiece: Any, tmp_path: Path) -> None:
    config = XLMRobertaConfig(vocab_size=len(sentencepiece), type_vocab_size=1, pad_token_id=1, **SMALL)
    base = saved(XLMRobertaModel(config), sentencepiece, tmp_path / "base")
    kept = XLMRobertaModel.from_pretrained(exported(base, sentencepiece, tmp_path / "model", step=0.01))
    weight = XLMRobertaModel.from_pretrained(base).pooler.dense.weight
    torch.testing.assert_close(kept.pooler.dense.weight, weight, rtol=0, atol=0)


def test_the_pooler_goes_along_a_chain_of_trainings(wordpiece: Any, tmp_path: Path) -> None:
    base = bert(BertForPreTraining, wordpiece, tmp_path / "base")
    second = exported(exported(base, wordpiece, tmp_path / "first", 0.01), wordpiece, tmp_path / "second", 0.01)
    assert examine([str(second)]) == []
    assert "no pooler" in examine([str(bert(BertForMaskedLM, wordpiece, tmp_path / "headless"))])[0]


def test_random_weights_keep_no_pooler_that_was_trained(wordpiece: Any, tmp_path: Path) -> None:
    base = bert(BertForPreTraining, wordpiece, tmp_path / "base")
    settings = EncoderSection(name=str(base), weights="random")
    model = build_encoder(settings, wordpiece, seed=1)
    export(dict(model.named_parameters()), settings, wordpiece, {FILE: SEEN}, tmp_path / "model")
    assert "no pooler" in examine([str(tmp_path / "model")])[0]


def test_what_was_trained_is_what_is_loaded(wordpiece: Any, tmp_path: Path) -> None:
    base = bert(BertForPreTraining, wordpiece, tmp_path / "base")
    moved = AutoModelForMaskedLM.from_pretrained(exported(base, wordpiece, tmp_path / "model", step=0.01))
    before = AutoModelForMaskedLM.from_pretrained(base)
    for new, old in zip(moved.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.01, rtol=0, atol=0)


def test_loaded_exported_and_loaded_again(tmp_path: Path, sentencepiece: Any) -> None:
    config = XLMRobertaConfig(vocab_size=len(sentencepiece), type_vocab_size=1, pad_token_id=1, **SMALL)
    checkpoint = saved(XLMRobertaForMaskedLM(config), sentencepiece, tmp_path / "xlmr")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    settings = EncoderSection(name=str(checkpoint))
    model = build_encoder(settings, tokenizer, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    export(weights, settings, tokenizer, {FILE: SEEN}, tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert (tmp_path / "model" / FILE).read_bytes() == SEEN
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "model")
    inputs = AutoTokenizer.from_pretrained(tmp_path / "model")("Is it raining?", "今天下雨吗？", return_tensors="pt")
    torch.testing.assert_close(loaded.eval()(**inputs).logits, model.eval()(**inputs).logits)


def test_words_that_the_base_has_in_its_head_alone(wordpiece: Any, tmp_path: Path) -> None:
    """A masked language model finds them there, since they are tied; the export must not stumble where it trained."""
    base = bert(BertForMaskedLM, wordpiece, tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["cls.predictions.decoder.weight"] = weights.pop("bert.embeddings.word_embeddings.weight")
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    moved = AutoModelForMaskedLM.from_pretrained(exported(base, wordpiece, tmp_path / "model", step=0.01))
    before = AutoModelForMaskedLM.from_pretrained(base)
    torch.testing.assert_close(
        moved.get_input_embeddings().weight, before.get_input_embeddings().weight + 0.01, rtol=0, atol=0
    )
