"""States of all layers: sentence vectors, words and their subwords, truncation, linked words."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.conftest import TEXTS
from tests.support.tables import aligned_table, covered_words
from weam_ray.align.links import Links
from weam_ray.align.pharaoh import parse_pharaoh
from weam_ray.corpus.words import segment, word_spans
from weam_ray.encode.tokens import flat_spans
from weam_ray.errors import UserError
from weam_ray.measure.states import (
    LayerEncoder,
    WordTexts,
    default_layer,
    layer_sentence_vectors,
    linked_states,
    sentence_vectors,
    word_state_batches,
    word_states,
)
from weam_ray.model.encoder import build_encoder
from weam_ray.settings.encoder import EncoderSection, ScratchSection

SCRATCH = EncoderSection(
    name="scratch", scratch=ScratchSection(num_layers=2, hidden_size=16, num_heads=2, intermediate_size=32)
)
LONG = "the housecats ran dogmatically to the old mathouse"  # words of several subwords
BOTH = pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])


def words_of(tokenizer: Any, texts: Sequence[str]) -> WordTexts:
    words = segment(pa.array(texts, pa.string()), "words")
    return WordTexts.of(tokenizer, texts, words.spans, words.offsets)


@torch.no_grad()
def alone(model: Any, tokenizer: Any, text: str, max_length: int = 128) -> torch.Tensor:
    """(layers, tokens, hidden) states of a text's own tokens, encoded by the tokenizer's own means."""
    encoded = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_length)
    states = model(**encoded, output_hidden_states=True).hidden_states
    return torch.stack(states)[:, 0, 1:-1]


@pytest.mark.parametrize(("num_layers", "layer"), [(12, 8), (24, 14), (6, 4), (2, 2), (48, 32)])
def test_the_layer_of_xtreme_s_script(num_layers: int, layer: int) -> None:
    assert default_layer(SimpleNamespace(num_hidden_layers=num_layers)) == layer


class TestSentenceVectors:
    @BOTH
    def test_as_one_layer_at_a_time(self, kind: str, request: pytest.FixtureRequest) -> None:
        tokenizer = request.getfixturevalue(kind)
        model = build_encoder(SCRATCH, tokenizer, seed=1)
        sentences = [np.array(tokenizer(text, add_special_tokens=False)["input_ids"], np.int32) for text in TEXTS]
        sentences.append(np.empty(0, np.int32))
        vectors = layer_sentence_vectors(model, tokenizer, sentences, max_length=12, batch_size=3)
        assert vectors.shape == (3, len(TEXTS) + 1, 16)
        assert vectors.dtype == np.float32
        assert not vectors[:, -1].any()
        for layer in (0, 1, 2):
            expected = sentence_vectors(model, tokenizer, sentences, layer, max_length=12, batch_size=4)
            np.testing.assert_allclose(vectors[layer], expected, atol=1e-6)

    def test_some_layers_and_an_encoder_without_a_head(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        sentences = [np.arange(5, 5 + size, dtype=np.int32) for size in (4, 9, 2)]
        every = layer_sentence_vectors(model, wordpiece, sentences, max_length=64, batch_size=2)
        some = layer_sentence_vectors(model.base_model, wordpiece, sentences, 64, batch_size=8, layers=(-1, 1))
        np.testing.assert_allclose(some, every[[2, 1]], atol=1e-6)

    @BOTH
    def test_with_special_tokens(self, kind: str, request: pytest.FixtureRequest) -> None:
        """As XTREME's script pools: all states that are no padding."""
        tokenizer = request.getfixturevalue(kind)
        model = build_encoder(SCRATCH, tokenizer, seed=1).eval()
        sentences = [np.array(tokenizer(text, add_special_tokens=False)["input_ids"], np.int32) for text in TEXTS]
        found = sentence_vectors(model, tokenizer, sentences, 1, max_length=64, batch_size=3, special=True)
        with torch.no_grad():
            encoded = [tokenizer(text, return_tensors="pt", truncation=True, max_length=64) for text in TEXTS]
            states = [model(**own, output_hidden_states=True).hidden_states[1][0] for own in encoded]
        np.testing.assert_allclose(found, np.stack([own.mean(0).numpy() for own in states]), atol=1e-5)
        without = sentence_vectors(model, tokenizer, sentences, 1, max_length=64, batch_size=3)
        assert np.abs(found - without).max() > 1e-3

    def test_no_sentences(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        assert layer_sentence_vectors(model, wordpiece, [], max_length=64, batch_size=8).shape == (3, 0, 16)


class TestWordStates:
    @BOTH
    def test_states_of_the_subwords(self, kind: str, request: pytest.FixtureRequest) -> None:
        tokenizer = request.getfixturevalue(kind)
        model = build_encoder(SCRATCH, tokenizer, seed=1).eval()
        texts = words_of(tokenizer, [*TEXTS, LONG])
        result = word_states(model, tokenizer, texts, max_length=128, batch_size=3)
        assert not result.cut.any()
        assert np.isnan(result.states[:, ~result.found]).all()
        for number, text in enumerate(texts.texts):
            expected = alone(model, tokenizer, text)
            encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
            placed = zip(tokens, encoded["offset_mapping"], strict=True)
            spans = [(start, start if token == "▁" else end) for token, (start, end) in placed]  # a mark of no word
            words = word_spans(text)
            for word in range(len(words)):
                row = result.offsets[number] + word
                members = [t for t, span in enumerate(spans) if covered_words(span, words)[:1] == [word]]
                assert result.found[row] == bool(members)
                if members:
                    state = expected[:, members].mean(1).numpy()
                    np.testing.assert_allclose(result.states[:, row], state, atol=1e-5)
        assert result.found.mean() > 0.9

    def test_batches_change_nothing(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        texts = words_of(wordpiece, TEXTS)
        one, all_ = (word_states(model, wordpiece, texts, 128, size, layers=(1,)).states for size in (1, 100))
        np.testing.assert_allclose(one, all_, atol=1e-5)
        encoder = LayerEncoder.of(model, wordpiece, 128, layers=(1,))
        numbers = np.concatenate([each for each, _ in word_state_batches(encoder, texts, 2)])
        assert sorted(numbers) == np.flatnonzero(texts.found(encoder.room)).tolist()

    def test_truncation_shifts_nothing(self, wordpiece: Any) -> None:
        """Words beyond the cut have no state, nor has the one that it runs through; the others stand where they were.

        The texts before and after are whole: they have the states that they have alone.
        """
        model = build_encoder(SCRATCH, wordpiece, seed=1).eval()
        texts = ["dog", LONG, "", "the house"]
        words = words_of(wordpiece, texts)
        sizes = np.bincount(words.words[words.token_offsets[1] : words.token_offsets[2]])[1:]
        split = int(np.flatnonzero(sizes > 1)[0])
        room = int(sizes[:split].sum()) + 1
        result = word_states(model, wordpiece, words, max_length=room + 2, batch_size=2)
        begin = result.offsets[1]
        assert result.cut.tolist() == [begin + split <= row < result.offsets[2] for row in range(len(result.cut))]
        assert (result.found == ~result.cut).all()
        assert np.isnan(result.states[:, result.cut]).all()
        short = alone(model, wordpiece, texts[1], max_length=room + 2)
        for word in range(split):
            own = np.flatnonzero(words.words[words.token_offsets[1] :] == begin + word)
            np.testing.assert_allclose(result.states[:, begin + word], short[:, own].mean(1).numpy(), atol=1e-5)
        whole = word_states(model, wordpiece, words, max_length=64, batch_size=2)
        last = result.offsets[3]
        np.testing.assert_allclose(result.states[:, [0, last]], whole.states[:, [0, last]], atol=1e-5)

    def test_no_words_left(self, wordpiece: Any) -> None:
        """Texts without tokens, without words, and of one word that is cut."""
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        texts = ["", "dog the", "housecats"]
        spans, offsets = np.array([[0, 9]], np.int32), np.array([0, 0, 0, 1])
        words = WordTexts.of(wordpiece, texts, spans, offsets)
        assert len(words.sentences()[2]) > 1
        result = word_states(model, wordpiece, words, max_length=3, batch_size=8)
        assert result.states.shape == (3, 1, 16)
        assert (result.found.tolist(), result.cut.tolist()) == ([False], [True])

    def test_a_subword_of_two_words_is_of_the_first(self, wordpiece: Any) -> None:
        text = "dog"
        assert len(wordpiece(text, add_special_tokens=False)["input_ids"]) == 1
        words = WordTexts.of(wordpiece, [text], np.array([0, 1, 1, 3], np.int32), np.array([0, 2]))
        assert words.words.tolist() == [0]
        assert words.found(10).tolist() == [True, False]
        assert not words.cut(10).any()
        assert words.surface(np.array([1, 0])) == ["og", "d"]

    def test_spans_of_the_aligned_table(self, wordpiece: Any) -> None:
        table = aligned_table([(text, "") for text in TEXTS], [[] for _ in TEXTS])
        ours = WordTexts.of(wordpiece, table["source"].to_pylist(), *flat_spans(table["source_words"]))
        expected = words_of(wordpiece, TEXTS)
        for name in ("ids", "token_offsets", "words", "spans", "word_offsets"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))

    def test_a_layer_that_is_not_there(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        with pytest.raises(UserError, match=r"evaluation\.layer=3: the encoder has layers 0 \(embeddings\) to 2\."):
            word_states(model, wordpiece, words_of(wordpiece, TEXTS), 64, 8, layers=(0, 3))


class TestLinkedStates:
    def test_rows_are_links(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        source = words_of(wordpiece, ["the cat sat", "dog", "Is it raining"])
        target = words_of(wordpiece, ["das alte sat", "der Hund", "il pleut it"])
        links = parse_pharaoh(["0-1 2-2", "0-1", "1-2 2-0"])
        linked = linked_states(model, wordpiece, source, target, links, 64, 2)
        left, right = (word_states(model, wordpiece, side, 64, 2).states for side in (source, target))
        np.testing.assert_allclose(linked.source, left[:, [0, 2, 3, 5, 6]], atol=1e-5)
        np.testing.assert_allclose(linked.target, right[:, [1, 2, 4, 7, 5]], atol=1e-5)
        assert linked.pairs.tolist() == [0, 0, 1, 2, 2]
        assert linked.identical.tolist() == [False, True, False, True, False]
        assert linked.num_lost == 0

    def test_links_of_words_that_are_cut(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        source, target = words_of(wordpiece, ["the", "dog"]), words_of(wordpiece, ["dog the", "the dog"])
        linked = linked_states(model, wordpiece, source, target, parse_pharaoh(["0-1", "0-0"]), 3, 2)
        assert linked.num_lost == 1
        assert linked.pairs.tolist() == [1]
        assert np.isfinite(linked.source).all()
        assert np.isfinite(linked.target).all()

    def test_links_that_are_not_one_to_one(self, wordpiece: Any) -> None:
        model = build_encoder(SCRATCH, wordpiece, seed=1)
        texts = words_of(wordpiece, ["the dog"])
        links = Links(np.array([[0, 0], [0, 1]], np.int16), np.array([0, 2]))
        with pytest.raises(AssertionError, match="one-to-one"):
            linked_states(model, wordpiece, texts, texts, links, 64, 2)
