"""Links read from states: by hand, pair by pair with a small encoder, truncation, and their score against gold."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.conftest import TEXTS
from tests.measure.test_states import SCRATCH, alone, words_of
from weam_ray.align.gold import Gold, score
from weam_ray.align.pharaoh import parse_pharaoh
from weam_ray.corpus.words import segment
from weam_ray.measure.state_links import Method, linked_subwords, state_links
from weam_ray.measure.states import WordTexts
from weam_ray.model.encoder import build_encoder

SOURCE, TARGET = TEXTS[:5], [TEXTS[1], TEXTS[0], TEXTS[3], TEXTS[2], TEXTS[7]]


@pytest.fixture
def threshold(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the threshold of `softmax`; that of awesome-align tells little apart in tiny examples."""
    return lambda value: monkeypatch.setattr("weam_ray.measure.state_links.THRESHOLD", value)


def subwords(left: Any, right: Any, method: Method) -> list[list[bool]]:
    """Of one pair, all of whose subwords are there."""
    sides = [torch.tensor([side], dtype=torch.float32) for side in (left, right)]
    own = [torch.ones(1, side.shape[1], dtype=torch.bool) for side in sides]
    return linked_subwords(sides[0], own[0], sides[1], own[1], method)[0].tolist()


class TestSubwords:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0.001, [[True, True], [True, True]]),
            (0.2, [[True, False], [True, True]]),
            (0.26, [[True, False], [True, False]]),
            (0.55, [[False, False], [False, False]]),
        ],
    )
    def test_softmax_of_dot_products_by_hand(
        self, value: float, expected: list[list[bool]], threshold: Callable[[float], None]
    ) -> None:
        """Similarities [[ln 9, 0], [ln 9, ln 3]]: shares 9/10 and 1/10, 3/4 and 1/4 by row, 1/2, 1/4 and 3/4 by
        column; a link has both above the threshold.
        """
        left, right = [[1.0, 0], [1, 1]], [[math.log(9), 0], [0, math.log(3)]]
        threshold(value)
        assert subwords(left, right, "softmax") == expected

    def test_argmax_links_those_nearest_to_each_other(self) -> None:
        left, right = [[1.0, 0], [1, 0.2], [0, 9]], [[3.0, 0.1], [0.1, 1]]
        assert subwords(left, right, "argmax") == [[True, False], [False, False], [False, True]]

    @pytest.mark.parametrize("method", ["softmax", "argmax"])
    def test_what_is_not_there_takes_no_part(self, method: Method, threshold: Callable[[float], None]) -> None:
        threshold(0.2)
        generator = torch.Generator().manual_seed(0)
        left, right = (torch.randn(1, size, 4, generator=generator) for size in (3, 5))
        left[0, 2], right[0, 3:] = 50, 60
        own = torch.arange(3)[None] < 2, torch.arange(5)[None] < 3
        found = linked_subwords(left, own[0], right, own[1], method)[0]
        expected = subwords(left[0, :2].tolist(), right[0, :3].tolist(), method=method)
        assert found[:2, :3].tolist() == expected
        assert found.sum() == sum(map(sum, expected))
        assert linked_subwords(left, own[0], right[:, :0], own[1][:, :0], method).shape == (1, 3, 0)
        assert not linked_subwords(left, own[0], right, own[1] & False, method).any()


@pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
@pytest.mark.parametrize("method", ["softmax", "argmax"])
def test_pair_by_pair(
    kind: str, method: Method, threshold: Callable[[float], None], request: pytest.FixtureRequest
) -> None:
    threshold(0.05)
    tokenizer = request.getfixturevalue(kind)
    model = build_encoder(SCRATCH, tokenizer, seed=1).eval()
    source, target = words_of(tokenizer, SOURCE), words_of(tokenizer, TARGET)
    found = state_links(model, tokenizer, source, target, max_length=128, batch_size=2, method=method)
    assert len(found.links) == 3
    assert found.num_cut == (0, 0)
    for layer, links in enumerate(found.links):
        for pair in range(len(SOURCE)):
            left, right = (alone(model, tokenizer, side[pair])[layer].tolist() for side in (SOURCE, TARGET))
            expected = {
                (int(source.words[a] - source.word_offsets[pair]), int(target.words[b] - target.word_offsets[pair]))
                for i, row in enumerate(subwords(left, right, method))
                for j, linked in enumerate(row)
                for a, b in [(source.token_offsets[pair] + i, target.token_offsets[pair] + j)]
                if linked and source.words[a] >= 0 and target.words[b] >= 0
            }
            assert links.of(pair) == sorted(expected)
        assert len(links.links)


def test_a_text_and_itself_have_no_alignment_error(wordpiece: Any) -> None:
    """Tokens stand apart by their positions, so each state is nearest to itself; words are cut at white space."""
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    words = segment(pa.array(TEXTS), "whitespace")
    texts = WordTexts.of(wordpiece, TEXTS, words.spans, words.offsets)
    gold = parse_pharaoh(" ".join(f"{k}-{k}" for k in range(size)) for size in words.lengths)
    found = state_links(model, wordpiece, texts, texts, max_length=64, batch_size=4, method="argmax")
    assert [score(links, Gold(gold, gold)).aer for links in found.links] == [0, 0, 0]


def test_subwords_of_no_word_are_not_linked(wordpiece: Any) -> None:
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    texts = WordTexts.of(wordpiece, ["the dog", "the dog"], np.array([4, 7, 0, 3], np.int32), np.array([0, 1, 2]))
    found = state_links(model, wordpiece, texts, texts, max_length=64, batch_size=2, method="softmax")
    assert found.links[0].links.tolist() == [[0, 0], [0, 0]]
    assert found.links[0].offsets.tolist() == [0, 1, 2]


def test_truncation_and_texts_without_tokens(wordpiece: Any) -> None:
    """A word that is cut short is still linked by what is left of it; those beyond the cut are not."""
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    source, target = words_of(wordpiece, ["the dog", "", "the"]), words_of(wordpiece, ["the dog", "dog", ""])
    found = state_links(model, wordpiece, source, target, 3, batch_size=2, method="argmax")
    assert found.num_cut == (1, 1)
    assert [found.links[-1].of(pair) for pair in range(3)] == [[(0, 0)], [], []]
