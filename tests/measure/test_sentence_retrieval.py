"""Retrieval and sentence vectors."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weam_ray.errors import UserError
from weam_ray.measure.sentence_retrieval import centred, precision_at_1, retrieval_hits
from weam_ray.measure.states import check_layer, sentence_vectors
from weam_ray.model.encoder import build_encoder
from weam_ray.settings.encoder import EncoderSection, ScratchSection

SCRATCH = EncoderSection(
    name="scratch", scratch=ScratchSection(num_layers=2, hidden_size=16, num_heads=2, intermediate_size=32)
)


def test_precision_by_hand() -> None:
    queries = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    candidates = np.array([[2, 0.1], [3, 3], [0, 5]], np.float32)
    assert precision_at_1(queries, candidates) == pytest.approx(1 / 3)  # the second and third are exchanged


def test_centring_undoes_what_a_language_adds() -> None:
    """Vectors that differ by a large constant of the language are found again only without the mean."""
    generator = np.random.default_rng(0)
    english = generator.normal(size=(50, 8)).astype(np.float32)
    other = english + np.array([30, 0, 0, 0, 0, 0, 0, 0], np.float32)
    hits = retrieval_hits(other, english, "english")
    scores = {way: own.mean() for way, own in hits.items()}
    assert scores["to_english"] == scores["from_english"] == 1.0
    assert scores["to_english_uncentred"] < 0.5
    assert list(scores) == ["to_english", "from_english", "to_english_uncentred"]


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(2, 8), st.just(4)), elements=st.floats(-10, 10, width=32)),
)
def test_centred_has_mean_zero(vectors: np.ndarray) -> None:
    np.testing.assert_allclose(centred(vectors).mean(axis=0), 0, atol=1e-4)


@torch.no_grad()
def test_vectors_are_means_of_a_layer_without_special_tokens(wordpiece: Any) -> None:
    model = build_encoder(SCRATCH, wordpiece, seed=1).eval()
    texts = ["the cat sat", "Is it raining today?", "dog"]
    sentences = [np.array(wordpiece(text, add_special_tokens=False)["input_ids"], np.int32) for text in texts]
    for layer in (0, 1, 2, -1):
        found = sentence_vectors(model, wordpiece, sentences, layer, max_length=64, batch_size=2)
        for text, vector in zip(texts, found, strict=True):
            states = model(**wordpiece(text, return_tensors="pt"), output_hidden_states=True).hidden_states[layer]
            np.testing.assert_allclose(vector, states[0, 1:-1].mean(dim=0).numpy(), atol=1e-5)


def test_long_sentences_are_cut(wordpiece: Any) -> None:
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    ids = np.arange(5, 45, dtype=np.int32)
    whole, cut = (
        sentence_vectors(model, wordpiece, [ids[:size]], -1, max_length=12, batch_size=1) for size in (40, 10)
    )
    np.testing.assert_array_equal(whole, cut)


def test_a_layer_that_is_not_there(wordpiece: Any) -> None:
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    for layer in (-3, 0, 2):
        check_layer(model, layer)
    for layer in (-4, 3):
        with pytest.raises(UserError, match=r"evaluation\.layer=.* 0 \(embeddings\) to 2"):
            check_layer(model, layer)
