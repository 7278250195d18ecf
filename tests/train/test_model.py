"""What an encoder cannot do is found from the encoder itself, before anything is made of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartModel,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CamembertConfig,
    CamembertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    IBertConfig,
    IBertForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    NystromformerConfig,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaXLConfig,
    XLMRobertaXLForMaskedLM,
    YosoConfig,
)

from weam_ray.errors import UserError
from weam_ray.model.families import first_position, num_positions
from weam_ray.settings.config import Config, load_config
from weam_ray.train.model import check_length, examine

SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
# from the number after padding, which is 1 in this family
AFTER_PADDING = {
    "xlm-roberta": lambda: XLMRobertaForMaskedLM(XLMRobertaConfig(**SIZES)),
    "camembert": lambda: CamembertForMaskedLM(CamembertConfig(**SIZES)),
    "xlm-roberta-xl": lambda: XLMRobertaXLForMaskedLM(XLMRobertaXLConfig(**SIZES)),
}
FROM_0 = {
    "bert": lambda: BertForMaskedLM(BertConfig(**SIZES)),
    "distilbert": lambda: DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=50, dim=16, n_heads=2, n_layers=2, hidden_dim=32, max_position_embeddings=40)
    ),
}


@pytest.mark.parametrize("family", [*AFTER_PADDING, *FROM_0])
def test_positions_are_those_that_the_model_takes(family: str) -> None:
    model = (AFTER_PADDING | FROM_0)[family]().eval()
    room = num_positions(model)
    assert room == (38 if family in AFTER_PADDING else 40)
    assert first_position(model) == 40 - room
    model(input_ids=torch.full((1, room), 5))
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, room + 1), 5))


def test_positions_of_a_table_of_its_own_kind() -> None:
    """I-BERT's is no `Embedding`; of BART's relatives the first two rows stand for nothing."""
    ids = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3}
    ibert = IBertForMaskedLM(IBertConfig(**SIZES, **ids)).eval()
    assert (num_positions(ibert), first_position(ibert)) == (38, 2)
    own = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2}
    own |= {"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    bart = BartModel(BartConfig(vocab_size=50, max_position_embeddings=40, **own, **ids)).eval()
    assert (num_positions(bart), first_position(bart)) == (40, 2)
    for model, room in ((ibert, 38), (bart, 40)):
        model(input_ids=torch.full((1, room), 5))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, room + 1), 5))


def test_positions_that_are_no_table() -> None:
    ids = {f"{name}_token_id": number for number, name in enumerate(("pad", "cls", "sep", "bos", "eos"))}
    model = ModernBertForMaskedLM(ModernBertConfig(**SIZES, **ids))
    assert (num_positions(model), first_position(model)) == (40, 0)


def config_of(folder: Path, *overrides: str) -> Config:
    return load_config("bundled", [f"encoder.name={folder}", "training.max_length=40", *overrides])


class TestExamine:
    def test_a_whole_checkpoint_of_a_known_family(self, tmp_path: Path) -> None:
        FROM_0["bert"]().save_pretrained(tmp_path)
        assert examine(config_of(tmp_path)) == []

    @pytest.mark.parametrize("family", AFTER_PADDING)
    def test_a_length_beyond_the_positions(self, family: str, tmp_path: Path) -> None:
        AFTER_PADDING[family]().save_pretrained(tmp_path)
        with pytest.raises(UserError, match=r"training\.max_length=40: the encoder has positions for 38 tokens; lower"):
            examine(config_of(tmp_path))
        examine(config_of(tmp_path, "training.max_length=38"))

    def test_a_layer_that_is_not_there(self, tmp_path: Path) -> None:
        FROM_0["bert"]().save_pretrained(tmp_path)
        with pytest.raises(UserError, match=r"evaluation\.layer=3: the encoder has layers 0 \(embeddings\) to 2"):
            examine(config_of(tmp_path, "evaluation.layer=3"))

    def test_an_encoder_from_scratch(self) -> None:
        assert examine(load_config("bundled")) == []
        with pytest.raises(UserError, match=r"training\.max_length=513: the encoder has positions for 512"):
            examine(load_config("bundled", ["training.max_length=513"]))
        with pytest.raises(UserError, match=r"evaluation\.layer=3: the encoder has layers"):
            examine(load_config("bundled", ["evaluation.layer=3"]))

    def test_a_new_head(self, tmp_path: Path) -> None:
        BertModel(BertConfig(**SIZES)).save_pretrained(tmp_path)
        (note,) = examine(config_of(tmp_path))
        assert "has no trained head for predicting masked tokens" in note
        assert "cls.predictions.bias" in note

    def test_a_family_that_is_not_in_the_table(self, tmp_path: Path) -> None:
        AFTER_PADDING["camembert"]().save_pretrained(tmp_path)
        (note,) = examine(config_of(tmp_path, "training.max_length=38"))
        assert "the model family 'camembert' is not in the table of families" in note


@pytest.mark.parametrize(
    ("config", "room"),
    [
        (NystromformerConfig(**SIZES, num_landmarks=8, segment_means_seq_len=8), 40),
        (YosoConfig(**SIZES), 40),
        (ElectraConfig(**SIZES), 40),
        (IBertConfig(**SIZES), 38),
    ],
    ids=lambda own: getattr(own, "model_type", None),
)
def test_other_families_are_tried(config: Any, room: int) -> None:
    """Some keep rows of their table for nothing and do not say so."""
    check_length(load_config("bundled", [f"training.max_length={room}"]).of_training(), config)
    with pytest.raises(
        UserError, match=f"training.max_length={room + 1}: an encoder of the family '{config.model_type}'"
    ):
        check_length(load_config("bundled", [f"training.max_length={room + 1}"]).of_training(), config)


def test_several_ends_of_a_text_are_no_mistake() -> None:
    """As some configurations list them."""
    config = NystromformerConfig(**SIZES, num_landmarks=8, segment_means_seq_len=8)
    config.eos_token_id = [2, 3]
    check_length(load_config("bundled", ["training.max_length=40"]).of_training(), config)


def test_a_family_without_a_limit() -> None:
    ids = {f"{name}_token_id": number for number, name in enumerate(("pad", "cls", "sep", "bos", "eos"))}
    check_length(load_config("bundled", ["training.max_length=200"]).of_training(), ModernBertConfig(**SIZES, **ids))
