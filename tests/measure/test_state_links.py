"""Links read from states: by hand, pair by pair with a small encoder, truncation, and their score against gold."""

import math
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
from weam_ray.errors import UserError
from weam_ray.measure.state_links import Method, linked_subwords, state_links
from weam_ray.measure.states import WordTexts
from weam_ray.model.encoder import build_encoder

SOURCE, TARGET = TEXTS[:5], [TEXTS[1], TEXTS[0], TEXTS[3], TEXTS[2], TEXTS[7]]


def subwords(left: Any, right: Any, **options: Any) -> list[list[bool]]:
    """Of one pair, all of whose subwords are there."""
    sides = [torch.tensor([side], dtype=torch.float32) for side in (left, right)]
    own = [torch.ones(1, side.shape[1], dtype=torch.bool) for side in sides]
    return linked_subwords(sides[0], own[0], sides[1], own[1], **options)[0].tolist()


class TestSubwords:
    def test_softmax_of_dot_products_by_hand(self) -> None:
        """Similarities [[ln 9, 0], [ln 9, ln 3]]: shares 9/10 and 1/10, 3/4 and 1/4 by row, 1/2, 1/4 and 3/4 by
        column; a link has both above the threshold.
        """
        left, right = [[1.0, 0], [1, 1]], [[math.log(9), 0], [0, math.log(3)]]
        assert subwords(left, right, threshold=0.001) == [[True, True], [True, True]]
        assert subwords(left, right, threshold=0.2) == [[True, False], [True, True]]
        assert subwords(left, right, threshold=0.26) == [[True, False], [True, False]]
        assert subwords(left, right, threshold=0.55) == [[False, False], [False, False]]

    def test_cosine_over_temperature(self) -> None:
        """Lengths do not matter; similarities [[1, 0], [0, 1]] / t: share 1 / (1 + exp(-1 / t)) on the diagonal."""
        left, right = [[5.0, 0], [0, 0.1]], [[0.2, 0], [0, 7.0]]
        assert subwords(left, right, temperature=1.0, threshold=0.26) == [[True, True], [True, True]]
        assert subwords(left, right, temperature=0.5, threshold=0.26) == [[True, False], [False, True]]

    def test_argmax_links_those_nearest_to_each_other(self) -> None:
        left, right = [[1.0, 0], [1, 0.2], [0, 9]], [[3.0, 0.1], [0.1, 1]]
        assert subwords(left, right, method="argmax") == [[True, False], [False, False], [False, True]]
        assert subwords(left, right, method="argmax", temperature=7.0) == subwords(left, right, method="argmax")

    @pytest.mark.parametrize("method", ["softmax", "argmax"])
    def test_what_is_not_there_takes_no_part(self, method: Method) -> None:
        generator = torch.Generator().manual_seed(0)
        left, right = (torch.randn(1, size, 4, generator=generator) for size in (3, 5))
        left[0, 2], right[0, 3:] = 50, 60
        own = torch.arange(3)[None] < 2, torch.arange(5)[None] < 3
        found = linked_subwords(left, own[0], right, own[1], method, threshold=0.2)[0]
        expected = subwords(left[0, :2].tolist(), right[0, :3].tolist(), method=method, threshold=0.2)
        assert found[:2, :3].tolist() == expected
        assert found.sum() == sum(map(sum, expected))
        assert linked_subwords(left, own[0], right[:, :0], own[1][:, :0], method).shape == (1, 3, 0)
        assert not linked_subwords(left, own[0], right, own[1] & False, method).any()


@pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
@pytest.mark.parametrize(
    "options", [{"threshold": 0.05}, {"temperature": 0.1, "threshold": 0.05}, {"method": "argmax"}]
)
def test_pair_by_pair(kind: str, options: dict[str, Any], request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    model = build_encoder(SCRATCH, tokenizer, seed=1).eval()
    source, target = words_of(tokenizer, SOURCE), words_of(tokenizer, TARGET)
    found = state_links(model, tokenizer, source, target, max_length=128, batch_size=2, **options)
    assert found.layers == (0, 1, 2)
    assert found.num_cut == (0, 0)
    for layer in found.layers:
        for pair in range(len(SOURCE)):
            left, right = (alone(model, tokenizer, side[pair])[layer].tolist() for side in (SOURCE, TARGET))
            expected = {
                (int(source.words[a] - source.word_offsets[pair]), int(target.words[b] - target.word_offsets[pair]))
                for i, row in enumerate(subwords(left, right, **options))
                for j, linked in enumerate(row)
                for a, b in [(source.token_offsets[pair] + i, target.token_offsets[pair] + j)]
                if linked and source.words[a] >= 0 and target.words[b] >= 0
            }
            assert found.links[layer].of(pair) == sorted(expected)
        assert len(found.links[layer].links)


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
    found = state_links(model, wordpiece, texts, texts, max_length=64, batch_size=2, layers=[0])
    assert found.links[0].links.tolist() == [[0, 0], [0, 0]]
    assert found.links[0].offsets.tolist() == [0, 1, 2]


def test_truncation_and_texts_without_tokens(wordpiece: Any) -> None:
    """A word that is cut short is still linked by what is left of it; those beyond the cut are not."""
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    source, target = words_of(wordpiece, ["the dog", "", "the"]), words_of(wordpiece, ["the dog", "dog", ""])
    found = state_links(model, wordpiece, source, target, 3, batch_size=2, layers=(-1,), method="argmax")
    assert found.num_cut == (1, 1)
    assert found.layers == (-1,)
    assert [found.links[0].of(pair) for pair in range(3)] == [[(0, 0)], [], []]


def test_a_layer_that_is_not_there(wordpiece: Any) -> None:
    model = build_encoder(SCRATCH, wordpiece, seed=1)
    texts = words_of(wordpiece, SOURCE)
    with pytest.raises(UserError, match=r"evaluation\.layer=-4: the encoder has layers 0 \(embeddings\) to 2\."):
        state_links(model, wordpiece, texts, texts, 64, 8, layers=[-4])
