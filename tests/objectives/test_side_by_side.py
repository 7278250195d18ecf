"""Sentences side by side in a row are encoded as if each stood alone, whatever the family and its attention."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from tests.support.rows import BERT, NUM_TOKENS, ROBERTA, Row, make_collator, make_row
from weam_ray.batches.batch import Vocabulary
from weam_ray.batches.sentences import SentenceCollator, WordCollator
from weam_ray.encode.rows import RowKey
from weam_ray.model.families import packs
from weam_ray.objectives.base import TensorBatch, positions
from weam_ray.objectives.table import build_objective
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}
OF_DISTILBERT = {"dim": 16, "n_heads": 2, "n_layers": 2, "hidden_dim": 32}
FAMILIES: dict[str, tuple[Any, Any, dict[str, int], Vocabulary]] = {
    "bert": (BertConfig, BertForMaskedLM, SIZES, BERT),
    "distilbert": (DistilBertConfig, DistilBertForMaskedLM, OF_DISTILBERT, BERT),
    "roberta": (RobertaConfig, RobertaForMaskedLM, {**SIZES, "pad_token_id": 1}, ROBERTA),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaForMaskedLM, {**SIZES, "pad_token_id": 1}, ROBERTA),
}


def model_of(family: str, attention: str) -> Any:
    kind, model, sizes, _ = FAMILIES[family]
    torch.manual_seed(0)
    return model(kind(vocab_size=NUM_TOKENS, attn_implementation=attention, **sizes)).eval()


def rows() -> list[Row]:
    pairs = [
        make_row([11, 12, 13, 14], [21, 22], [(0, 0), (2, 1)]),
        make_row([15], [25, 26, 27, 28, 29], [(0, 3)]),
        make_row(range(30, 39), [40, 41, 42]).alone(),
    ]
    languages = [("en", "de"), ("de", "en"), ("en", "")]
    return [
        (RowKey(0, k), replace(row, languages=own)) for k, (row, own) in enumerate(zip(pairs, languages, strict=True))
    ]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("name", ["mlm", "word_aligned"])
def test_losses_and_gradients_equal_those_of_sentences_apart(name: str, family: str, attention: str) -> None:
    settings = ObjectiveSection(name=name, mask_probability=0.5)
    form = SentenceCollator if name == "mlm" else WordCollator
    found = []
    for beside in (False, True):
        model = model_of(family, attention)
        assert packs(model)
        objective = build_objective(model, settings).eval()
        with torch.no_grad():  # so that the anchors have moved
            for parameter in objective.masked_model.parameters():
                parameter.mul_(1.2)
        collate = form(replace(FAMILIES[family][3], packs=beside), settings, SeedSection(), 64)
        batch = TensorBatch.of(collate(rows()))
        assert batch.packed == beside
        loss, parts = objective(batch)
        loss.backward()
        grown = [p.grad.flatten() for p in objective.parameters() if p.grad is not None]
        found.append((loss.detach(), parts, torch.cat(grown)))
    for apart, beside_ in zip(*found, strict=True):
        torch.testing.assert_close(beside_, apart, rtol=1e-4, atol=1e-6)
    assert found[0][0] > 0


def test_tlm_of_unpaired_text_is_mlm() -> None:
    model = model_of("bert", "sdpa")
    alone = [(key, row.alone()) for key, row in rows()]
    tlm = build_objective(model, ObjectiveSection(name="tlm"))(
        TensorBatch.of(make_collator(mask_probability=0.5)(alone))
    )
    settings = ObjectiveSection(name="mlm", mask_probability=0.5)
    collate = SentenceCollator(BERT, settings, SeedSection(), 64)
    mlm = build_objective(model, settings)(TensorBatch.of(collate(alone)))
    torch.testing.assert_close(tlm[0], mlm[0])


def test_rows_longer_than_the_encoder_s_positions() -> None:
    """Two sentences of the longest length in a row, and a short one beside them with more padding than positions."""
    short = BertForMaskedLM(BertConfig(vocab_size=NUM_TOKENS, max_position_embeddings=16, **SIZES))
    pair = (RowKey(0, 0), make_row([11] * 14, [12] * 14))
    alone = (RowKey(0, 1), make_row([13, 14], [15]).alone())
    settings = ObjectiveSection(name="mlm", mask_probability=0.5)
    collate = SentenceCollator(replace(BERT, packs=True), settings, SeedSection(), 16)
    loss, _ = build_objective(short, settings)(TensorBatch.of(collate([pair, alone])))
    assert loss.isfinite()


def test_positions_by_hand() -> None:
    numbers = torch.tensor([[1, 1, 1, 2, 2, 0, 0], [1, 2, 2, 2, 2, 2, 2]])
    assert positions(numbers).tolist() == [[0, 1, 2, 0, 1, 0, 0], [0, 0, 1, 2, 3, 4, 5]]
