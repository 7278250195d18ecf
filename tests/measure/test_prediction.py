"""The held-out predictions: entropy, losses, accuracies, and which language is the pivot."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from weam_ray.encode.rows import EncodedRow
from weam_ray.measure.held_out import HeldOut
from weam_ray.measure.prediction import predictions, unigram_entropy
from weam_ray.settings.config import load_config


def test_unigram_entropy_by_hand() -> None:
    assert unigram_entropy(np.array([1, 1, 2, 3])) == pytest.approx(1.5 * math.log(2))
    assert unigram_entropy(np.array([4, 4, 4])) == 0


def row(ids: list[int], other: list[int], links: list[tuple[int, int]]) -> EncodedRow:
    return EncodedRow(
        np.array(ids, np.int32),
        np.array(other, np.int32),
        np.zeros(len(ids), np.int16),
        np.zeros(len(other), np.int16),
        np.array(links, np.int16).reshape(-1, 2),
    )


class Oracle(torch.nn.Module):
    """Knows the token that stood at a position before masking, and is certain of it; blind to other positions."""

    def __init__(self, sentences: dict[int, list[int]], vocabulary: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="oracle")
        self.sentences, self.vocabulary = sentences, vocabulary
        self.place = torch.nn.Parameter(torch.zeros(()))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        logits = torch.zeros(*input_ids.shape, self.vocabulary)
        for number, ids in enumerate(input_ids.tolist()):
            truth = self.sentences[int(attention_mask[number].sum())]
            for position in range(len(truth)):
                logits[number, position, truth[position]] = 20.0
            assert len(ids) >= len(truth)
        return SimpleNamespace(logits=logits)


def test_scores_of_a_model_that_knows_every_position(wordpiece: Any) -> None:
    """Own predictions are right; a partner's state gives the partner's token, so those of linked words are wrong."""
    lengths = range(20, 40)
    rows = [row(list(range(10, 10 + n)), list(range(100, 100 + n)), [(k, k) for k in range(0, n, 2)]) for n in lengths]
    cls, sep = wordpiece.cls_token_id, wordpiece.sep_token_id
    truth = {2 * n + 3: [cls, *range(10, 10 + n), sep, *range(100, 100 + n), sep] for n in lengths}
    found = predictions(Oracle(truth, len(wordpiece)), wordpiece, rows, max_length=128, batch_size=8)
    scores = found.scores()
    assert scores["multilingual_accuracy"] == 1.0
    assert scores["linked_cross_lingual_accuracy"] == 0.0
    assert scores["multilingual_loss"] == pytest.approx(0.0, abs=1e-4)
    assert scores["linked_cross_lingual_loss"] == pytest.approx(20.0, abs=1e-4)
    assert 0.3 < scores["linked_share"] < 0.7
    assert scores["cross_lingual_loss"] == pytest.approx(20 * scores["linked_share"], abs=1e-3)
    by_length = {lengths[number]: found.labels[found.rows == number] for number in set(found.rows.tolist())}
    assert all(set(own) <= {*range(10, 10 + n), *range(100, 100 + n)} for n, own in by_length.items())
    total = sum(2 * n for n in lengths)
    assert 0.1 * total < scores["masked_tokens"] < 0.2 * total
    again = predictions(Oracle(truth, len(wordpiece)), wordpiece, rows, max_length=128, batch_size=3).scores()
    assert again["masked_tokens"] == scores["masked_tokens"]
    assert again["unigram_entropy"] == pytest.approx(scores["unigram_entropy"])


def test_no_masked_token_no_figure(wordpiece: Any) -> None:
    """Of a sentence of one token nothing may happen to be masked; its language is left out, and the others stay."""
    from weam_ray.model.encoder import build_encoder

    config = load_config("bundled")
    model = build_encoder(config.encoder, wordpiece, 1)
    none = next(
        single
        for k in range(5, 60)
        if not predictions(model, wordpiece, [single := row([k], [], [])], max_length=64, batch_size=8).scores()
    )
    many = [row([10 + k, 20 + k, 30] * 5, [40 + k, 50] * 5, [(0, 0)]) for k in range(5)]
    held_out = HeldOut({("en", "de"): many, ("tl", ""): [none]})
    assert list(held_out.measure(model, wordpiece, config)["sentences"]) == ["de", "en"]


@pytest.mark.parametrize(
    ("pairs", "setting", "pivot"),
    [
        ([("en", "de"), ("en", "fr")], None, "en"),
        ([("de", "en")], None, "en"),
        ([("fr", "de"), ("fr", "ru")], None, "fr"),
        ([("fr", "de")], None, "de"),
        ([("en", "de")], "de", "de"),
    ],
)
def test_pivot(pairs: list[tuple[str, str]], setting: str | None, pivot: str) -> None:
    assert HeldOut({pair: [] for pair in pairs}).pivot(setting) == pivot


def test_measure_names_languages_and_goals(wordpiece: Any) -> None:
    from weam_ray.model.encoder import build_encoder

    config = load_config("bundled")
    rows = [row([10 + k, 20 + k, 30], [40 + k, 50], [(0, 0)]) for k in range(5)]
    model = build_encoder(config.encoder, wordpiece, 1)
    found = HeldOut({("en", "de"): rows, ("fr", "en"): rows, ("ru", "tl"): rows}).measure(model, wordpiece, config)
    assert list(found["retrieval"]) == ["de", "fr", "ru-tl"]
    assert set(found["retrieval"]["fr"]) == {"to_english", "from_english", "to_english_uncentred"}
    assert set(found["retrieval"]["ru-tl"]) == {"to_tl", "from_tl", "to_tl_uncentred"}
    both = HeldOut({("en", "de"): rows, ("de", "en"): rows}).measure(model, wordpiece, config)
    assert list(both["retrieval"]) == ["de", "de-en"]
    nothing = HeldOut({}).measure(model, wordpiece, config)
    assert nothing == {"retrieval": {}, "loss": {}, "sentences": {}, "intervals": {}}


def test_figures_have_intervals_over_sentences(wordpiece: Any) -> None:
    """All that are means over them, and the mean over languages too; none where there is one sentence."""
    from weam_ray.model.encoder import build_encoder

    config = load_config("bundled")
    rows = [row([10 + k, 20 + k, 30] * 5, [40 + k, 50] * 5, [(0, 0), (2, 1)]) for k in range(8)]
    model = build_encoder(config.encoder, wordpiece, 1)
    found = HeldOut({("en", "de"): rows, ("en", "fr"): rows[:1]}).measure(model, wordpiece, config)
    own = found["intervals"]
    assert set(own["retrieval"]["de"]) == set(found["retrieval"]["de"]) == set(own["retrieval"]["mean"])
    assert own["retrieval"]["fr"] == {}
    assert set(own["loss"]) == {name for name in found["loss"] if name.endswith(("_loss", "lingual_accuracy"))}
    assert set(own["sentences"]["de"]) == {"loss", "accuracy"}
    for part in ("retrieval", "sentences"):
        for language, ends in own[part].items():
            for name, (low, high) in ends.items():
                assert language == "mean" or low <= found[part][language][name] <= high
    for name, (low, high) in own["loss"].items():
        assert low <= found["loss"][name] <= high
    low, high = own["loss"]["multilingual_loss"]
    assert low < high
