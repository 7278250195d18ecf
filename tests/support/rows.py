"""Encoded rows and collators for tests, by hand and by chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from weam_ray.batches.batch import Batch, Vocabulary
from weam_ray.batches.pairs import PairCollator
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.model.tokenizer import PairTemplate, SentenceTemplate
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection

PAD, MASK, CLS, SEP = 0, 4, 2, 3
FIRST_ORDINARY, NUM_TOKENS = 5, 60

BERT = Vocabulary(
    PairTemplate(np.array([CLS]), np.array([SEP]), np.array([SEP]), (0, 0, 0, 1, 1)),
    PAD,
    MASK,
    np.arange(FIRST_ORDINARY, NUM_TOKENS),
    SentenceTemplate(np.array([CLS]), np.array([SEP])),
)
ROBERTA = Vocabulary(
    PairTemplate(np.array([CLS]), np.array([SEP, SEP]), np.array([SEP]), (0,) * 5),
    1,
    MASK,
    np.arange(FIRST_ORDINARY, NUM_TOKENS),
    SentenceTemplate(np.array([CLS]), np.array([SEP])),
)

Row = tuple[RowKey, EncodedRow]


def make_row(
    source: Sequence[int],
    target: Sequence[int],
    links: Sequence[tuple[int, int]] = (),
    source_words: Sequence[int] | None = None,
    target_words: Sequence[int] | None = None,
) -> EncodedRow:
    """A row; without words every token is a word of its own."""
    return EncodedRow(
        np.array(source, np.int32),
        np.array(target, np.int32),
        np.array(range(len(source)) if source_words is None else source_words, np.int16),
        np.array(range(len(target)) if target_words is None else target_words, np.int16),
        np.array(links, np.int16).reshape(-1, 2),
    )


def make_collator(
    vocabulary: Vocabulary = BERT, max_length: int = 64, masking_seed: int = 2, **objective: Any
) -> PairCollator:
    return PairCollator(vocabulary, ObjectiveSection(**objective), SeedSection(masking=masking_seed), max_length)


def words_of(size: int) -> st.SearchStrategy[list[int]]:
    """Words as they rise over the tokens, a token of no word here and there."""
    return st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=size, max_size=size).map(
        lambda steps: [-1 if gone else sum(step for step, _ in steps[: k + 1]) for k, (_, gone) in enumerate(steps)]
    )


@st.composite
def encoded_rows(draw: st.DrawFn, unpaired: bool = False) -> Row:
    """Pairs; with `unpaired`, text without a translation among them."""
    tokens = st.lists(st.integers(FIRST_ORDINARY, NUM_TOKENS - 1), min_size=1, max_size=12)
    source, target = draw(tokens), draw(tokens)
    size = draw(st.integers(0, min(len(source), len(target))))
    left, right = draw(st.permutations(range(len(source)))), draw(st.permutations(range(len(target))))
    links = sorted(zip(left[:size], right[:size], strict=True))
    row = make_row(source, target, links, draw(words_of(len(source))), draw(words_of(len(target))))
    if unpaired and draw(st.booleans()):
        row = row.alone()
    return RowKey(draw(st.integers(0, 3)), draw(st.integers(0, 10**9))), row


collators = st.builds(
    make_collator,
    vocabulary=st.sampled_from([BERT, ROBERTA]),
    max_length=st.integers(8, 32),
    masking=st.sampled_from(["subword", "whole_word", "aligned"]),
    sentence_order=st.sampled_from(["random", "fixed"]),
    mask_probability=st.sampled_from([0.15, 0.5, 0.9]),
)


def originals(batch: Batch) -> np.ndarray:
    """The token ids before masking."""
    ids = batch.input_ids.copy().ravel()
    ids[batch.masked] = batch.labels
    return ids.reshape(batch.input_ids.shape)


def is_swapped(collator: PairCollator, key: RowKey) -> bool:
    """Whether the coin of a row puts the target first: seen on a row whose sides differ."""
    probe = collator.concatenate(key, make_row([FIRST_ORDINARY], [FIRST_ORDINARY + 1]))
    return bool(probe.ids[probe.first[0]] == FIRST_ORDINARY + 1)
