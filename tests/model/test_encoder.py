"""Encoders: built, loaded, identified."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from tests.support.lab import write_encoder
from weam_ray.errors import UserError
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.model.encoder import build_encoder, check_tokenizer, encoder_fingerprint
from weam_ray.settings.config import Config
from weam_ray.settings.encoder import EncoderSection, ScratchSection
from weam_ray.store.files import SourceHashes

SIZE = ScratchSection(num_layers=1, hidden_size=16, num_heads=2, intermediate_size=32)
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}


@pytest.fixture
def checkpoint(tmp_path: Path, sentencepiece: Any) -> Path:
    """An XLM-R checkpoint with a SentencePiece tokenizer, as Hugging Face writes it."""
    folder = tmp_path / "xlmr"
    XLMRobertaForMaskedLM(
        XLMRobertaConfig(vocab_size=len(sentencepiece), type_vocab_size=1, pad_token_id=1, **SMALL)
    ).save_pretrained(folder)
    sentencepiece.save_pretrained(folder)
    return folder


def test_scratch_is_the_seed_s(wordpiece: Any) -> None:
    settings = EncoderSection(name="scratch", scratch=SIZE, dropout=0.25)
    first, again, other = (build_encoder(settings, wordpiece, seed) for seed in (1, 1, 2))
    pairs = list(zip(first.parameters(), again.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)
    assert first.config.hidden_dropout_prob == first.config.attention_probs_dropout_prob == 0.25
    assert first.config.vocab_size == len(wordpiece)


def test_the_control_of_random_weights(checkpoint: Path) -> None:
    """The shape and the tokenizer of a checkpoint, and none of its weights."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    loaded, first, again, other = (
        build_encoder(EncoderSection(name=str(checkpoint), weights=weights), tokenizer, seed)
        for weights, seed in (("pretrained", 1), ("random", 1), ("random", 1), ("random", 2))
    )
    words = [model.get_input_embeddings().weight for model in (loaded, first, again, other)]
    assert words[0].shape == words[1].shape
    assert torch.equal(words[1], words[2])
    assert not torch.equal(words[0], words[1])
    assert not torch.equal(words[1], words[3])


def test_a_half_precision_checkpoint_is_trained_in_float32(checkpoint: Path, tmp_path: Path) -> None:
    AutoModelForMaskedLM.from_pretrained(checkpoint).half().save_pretrained(tmp_path / "half")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = build_encoder(EncoderSection(name=str(tmp_path / "half")), tokenizer, seed=1)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_fingerprint_is_the_content_s_not_the_path_s(checkpoint: Path, tmp_path: Path) -> None:
    hashes = SourceHashes(tmp_path / "hashes.json")
    shutil.copytree(checkpoint, tmp_path / "moved")
    same = [EncoderSection(name=str(path)) for path in (checkpoint, tmp_path / "moved")]
    assert len({encoder_fingerprint(settings, hashes) for settings in same}) == 1
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "moved")
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    model.save_pretrained(tmp_path / "moved")
    assert len({encoder_fingerprint(settings, hashes) for settings in same}) == 2
    assert len({encoder_fingerprint(settings, hashes, only_tokenizer=True) for settings in same}) == 1


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "no-such-organisation/no-such-model"])
def test_an_encoder_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"encoder\.name"):
        encoder_fingerprint(EncoderSection(name=name), SourceHashes(tmp_path / "hashes.json"))


def test_a_tokenizer_of_another_model(tmp_path: Path, wordpiece: Any) -> None:
    BertForMaskedLM(BertConfig(vocab_size=50, **SMALL)).save_pretrained(tmp_path / "small")
    with pytest.raises(UserError, match="50 embeddings for a tokenizer of"):
        build_encoder(EncoderSection(name=str(tmp_path / "small")), wordpiece, seed=1)


@pytest.mark.parametrize("short", [1, 300])
def test_a_tokenizer_with_more_words_is_refused_before_anything_runs(
    short: int, tmp_path: Path, tiny_config: Config, wordpiece: Any
) -> None:
    encoder = write_encoder(tmp_path / "encoder", wordpiece, num_words=len(wordpiece) - short)
    config = tiny_config.model_copy(update={"encoder": EncoderSection(name=str(encoder))})
    with pytest.raises(UserError, match=rf"{len(wordpiece) - short} embeddings for a tokenizer of {len(wordpiece)} to"):
        Pretraining.of(config, tmp_path)


def test_an_encoder_may_have_more_words_than_its_tokenizer(tmp_path: Path, wordpiece: Any) -> None:
    encoder = write_encoder(tmp_path / "encoder", wordpiece, num_words=len(wordpiece) + 8)
    check_tokenizer(EncoderSection(name=str(encoder)))


def test_the_highest_id_counts_and_not_the_number_of_words(tmp_path: Path, wordpiece: Any) -> None:
    """A vocabulary may have gaps."""
    encoder = write_encoder(tmp_path / "encoder", wordpiece)
    found = json.loads((encoder / "tokenizer.json").read_text(encoding="utf-8"))
    words = found["model"]["vocab"]
    words[max(words, key=words.__getitem__)] = len(wordpiece) + 5
    (encoder / "tokenizer.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(UserError, match=f"{len(wordpiece)} embeddings for a tokenizer of {len(wordpiece) + 6} tokens"):
        check_tokenizer(EncoderSection(name=str(encoder)))


def test_a_folder_without_a_model(tmp_path: Path, wordpiece: Any) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"encoder\.name"):
        build_encoder(EncoderSection(name=str(tmp_path / "empty")), wordpiece, seed=1)
