"""Encoded rows to a batch: the concatenated pair, its exchange map, and its masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.config import ObjectiveSection, SeedSection
from weam_ray.encode.tokenizer import PairTemplate

MASKED_SHARE, RANDOM_SHARE = (
    0.8,
    0.1,
)  # of the chosen tokens; the rest stay as they are (Devlin et al. 2019, 3.1)
ORDER_STREAM, MASK_STREAM = 0, 1


@dataclass(frozen=True)
class RowKey:
    """A row in a batch: which visit of the corpus (epoch), and its number in the encoded part."""

    epoch: int
    row: int


@dataclass(frozen=True)
class EncodedRow:
    """One encoded pair: token ids, word of each token (-1 for none), one-to-one links (L, 2)."""

    source_ids: NDArray[np.int32]
    target_ids: NDArray[np.int32]
    source_word_ids: NDArray[np.int16]
    target_word_ids: NDArray[np.int16]
    token_links: NDArray[np.int16]

    def swapped(self) -> "EncodedRow":
        return EncodedRow(
            self.target_ids,
            self.source_ids,
            self.target_word_ids,
            self.source_word_ids,
            self.token_links[:, ::-1],
        )


class EncodedShard:
    """Rows of an encoded table, without copying its columns."""

    def __init__(self, table: pa.Table) -> None:
        self.num_tokens: NDArray[np.int32] = table["num_tokens"].to_numpy()
        self.columns = {}
        for name in ("source_ids", "target_ids", "source_word_ids", "target_word_ids", "token_links"):
            array = table[name].combine_chunks()
            self.columns[name] = (array.values.to_numpy(zero_copy_only=True), array.offsets.to_numpy())

    def __len__(self) -> int:
        return len(self.num_tokens)

    def row(self, number: int) -> EncodedRow:
        parts = {}
        for name, (values, offsets) in self.columns.items():
            parts[name] = values[offsets[number] : offsets[number + 1]]
        parts["token_links"] = parts["token_links"].reshape(-1, 2)
        return EncodedRow(**parts)


@dataclass(frozen=True)
class Batch:
    """A micro-batch of B pairs, padded to T positions.

    Attributes:
        input_ids: (B, T) after masking. attention_mask, token_type_ids: (B, T).
        exchange: (B, T) position whose state stands here after the exchange; itself where there is no partner.
        masked: (M,) indices into the flattened (B * T) positions, rising. labels: (M,) the tokens masked there.
        lost_tokens, lost_links: what truncation took.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64]
    exchange: NDArray[np.int64]
    masked: NDArray[np.int64]
    labels: NDArray[np.int64]
    lost_tokens: int
    lost_links: int

    @property
    def num_tokens(self) -> int:
        """Tokens but for padding, special tokens included."""
        return int(self.attention_mask.sum())


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs of a tokenizer: the pair template, the ids for padding and masks, and the ordinary ids."""

    template: PairTemplate
    pad_id: int
    mask_id: int
    ordinary_ids: NDArray[np.int64]

    @classmethod
    def of(cls, tokenizer: Any) -> "Vocabulary":
        ordinary = np.setdiff1d(np.arange(len(tokenizer)), np.array(tokenizer.all_special_ids))
        pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        return cls(PairTemplate.of(tokenizer), pad_id, tokenizer.mask_token_id, ordinary)


@dataclass(frozen=True)
class Collator:
    """Builds batches. What is random depends on (seed, epoch, row) alone, never on a running generator."""

    vocabulary: Vocabulary
    objective: ObjectiveSection
    seeds: SeedSection
    max_length: int

    def __call__(self, rows: Sequence[tuple[RowKey, EncodedRow]]) -> Batch:
        """A batch of rows: order of the sentences, truncation, frame, exchange map, masks."""
        pairs = [self.concatenate(key, row) for key, row in rows]
        length = max(len(pair.ids) for pair in pairs)
        input_ids = np.full((len(pairs), length), self.vocabulary.pad_id, np.int64)
        attention_mask = np.zeros((len(pairs), length), np.int64)
        token_type_ids = np.zeros((len(pairs), length), np.int64)
        exchange = np.tile(np.arange(length), (len(pairs), 1))
        masked, labels = [], []
        for number, ((key, _), pair) in enumerate(zip(rows, pairs, strict=True)):
            size = len(pair.ids)
            chosen, replaced = self.mask(key, pair)
            masked.append(chosen + number * length)
            labels.append(pair.ids[chosen])
            input_ids[number, :size] = pair.ids
            input_ids[number, chosen] = replaced
            attention_mask[number, :size] = 1
            token_type_ids[number, :size] = pair.types
            exchange[number, pair.links[:, 0]] = pair.links[:, 1]
            exchange[number, pair.links[:, 1]] = pair.links[:, 0]
        return Batch(
            input_ids,
            attention_mask,
            token_type_ids,
            exchange,
            np.concatenate(masked),
            np.concatenate(labels),
            sum(pair.lost_tokens for pair in pairs),
            sum(pair.lost_links for pair in pairs),
        )

    def concatenate(self, key: RowKey, row: EncodedRow) -> "Pair":
        """`[CLS] x [SEP] y [SEP]` in the order that the row's own coin gives, cut to the longest length."""
        if self.objective.sentence_order == "random":
            generator = np.random.default_rng([self.seeds.data, key.epoch, key.row, ORDER_STREAM])
            if generator.random() < 0.5:
                row = row.swapped()
        template = self.vocabulary.template
        first, second = truncated_lengths(
            len(row.source_ids), len(row.target_ids), self.max_length - template.num_special
        )
        start_first = len(template.prefix)
        start_second = start_first + first + len(template.middle)
        parts = (
            template.prefix,
            row.source_ids[:first],
            template.middle,
            row.target_ids[:second],
            template.suffix,
        )
        kept = row.token_links[(row.token_links[:, 0] < first) & (row.token_links[:, 1] < second)]
        return Pair(
            ids=np.concatenate(parts).astype(np.int64),
            types=np.repeat(template.types, [len(part) for part in parts]),
            links=kept.astype(np.int64) + np.array([start_first, start_second]),
            first=(start_first, start_first + first),
            second=(start_second, start_second + second),
            words=(row.source_word_ids[:first], row.target_word_ids[:second]),
            lost_tokens=len(row.source_ids) + len(row.target_ids) - first - second,
            lost_links=len(row.token_links) - len(kept),
        )

    def mask(self, key: RowKey, pair: "Pair") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions chosen for prediction, rising, and what stands there instead (80/10/10)."""
        generator = np.random.default_rng([self.seeds.masking, key.epoch, key.row, MASK_STREAM])
        candidates = np.concatenate([np.arange(*pair.first), np.arange(*pair.second)])
        if self.objective.masking == "whole_word":
            units = word_units(pair.words)
            chosen = candidates[(generator.random(units.max() + 1) < self.objective.mask_probability)[units]]
        else:
            if self.objective.masking == "aligned":
                candidates = np.sort(pair.links.ravel())
            chosen = candidates[generator.random(len(candidates)) < self.objective.mask_probability]
        fate = generator.random(len(chosen))
        ordinary = self.vocabulary.ordinary_ids
        random_ids = ordinary[generator.integers(0, len(ordinary), len(chosen))]
        replaced = np.where(fate < MASKED_SHARE, self.vocabulary.mask_id, pair.ids[chosen])
        replaced = np.where((fate >= MASKED_SHARE) & (fate < MASKED_SHARE + RANDOM_SHARE), random_ids, replaced)
        return chosen, replaced


@dataclass(frozen=True)
class Pair:
    """A concatenated pair: ids and token types, links between positions (L, 2), the spans of both sentences."""

    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    links: NDArray[np.int64]
    first: tuple[int, int]
    second: tuple[int, int]
    words: tuple[NDArray[np.int16], NDArray[np.int16]]
    lost_tokens: int
    lost_links: int


def truncated_lengths(first: int, second: int, limit: int) -> tuple[int, int]:
    """Lengths after the longer side has lost tokens, one by one, until both fit; the second side loses on ties."""
    surplus = first + second - limit
    if surplus <= 0:
        return first, second
    level = min(surplus, abs(first - second))
    if first > second:
        first -= level
    else:
        second -= level
    rest = surplus - level
    return first - rest // 2, second - (rest - rest // 2)


def word_units(words: tuple[NDArray[np.int16], NDArray[np.int16]]) -> NDArray[np.int64]:
    """A number for each token of both sides, the same for tokens of one word; a token of no word is its own unit."""
    units = []
    start = 0
    for side in words:
        fresh = np.ones(len(side), bool)
        fresh[1:] = (side[1:] != side[:-1]) | (side[1:] < 0)
        numbers = np.cumsum(fresh) - 1 + start
        start = int(numbers[-1]) + 1 if len(numbers) else start
        units.append(numbers)
    return np.concatenate(units)
