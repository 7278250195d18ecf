"""Makes batches of concatenated pairs from encoded rows: the frame, the exchange map, the masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weam_ray.batches.batch import Batch, Vocabulary, pad
from weam_ray.batches.masking import choose, replace, word_units
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.settings.objective import ObjectiveSection, value_at
from weam_ray.settings.training import SeedSection

ORDER_STREAM, MASK_STREAM = 0, 1


@dataclass(frozen=True)
class PairCollator:
    """Makes batches of concatenated pairs, for TLM and WEAM; unpaired text in them stands alone.

    What is random depends on (seed, epoch, row) alone, never on a running generator.
    """

    vocabulary: Vocabulary
    objective: ObjectiveSection
    seeds: SeedSection
    max_length: int

    def __call__(self, rows: Sequence[tuple[RowKey, EncodedRow]], step: int = 1) -> Batch:
        """Make a batch of rows: order of the sentences, truncation, frame, exchange map, masks.

        `step` says how many tokens are masked, where that changes by step.
        """
        probability = value_at(self.objective.mask_probability, step)
        pairs = [self.concatenate(key, row) for key, row in rows]
        input_ids, attention_mask = pad(
            [pair.ids for pair in pairs], self.vocabulary.pad_id, self.vocabulary.multiple, self.max_length
        )
        token_type_ids = np.zeros_like(input_ids)
        length = input_ids.shape[1]
        exchange = np.tile(np.arange(length), (len(pairs), 1))
        masked, labels = [], []
        for number, ((key, _), pair) in enumerate(zip(rows, pairs, strict=True)):
            size = len(pair.ids)
            chosen, replaced = self.mask(key, pair, probability)
            masked.append(chosen + number * length)
            labels.append(pair.ids[chosen])
            input_ids[number, chosen] = replaced
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
        """Concatenate a pair to `[CLS] x [SEP] y [SEP]`, in the order that the row's own coin gives, and truncate it.

        Unpaired text stands alone, `[CLS] x [SEP]`.
        """
        if not row.is_pair:
            return self.alone(row)
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

    def alone(self, row: EncodedRow) -> "Pair":
        template = self.vocabulary.sentence
        size = min(len(row.source_ids), self.max_length - template.num_special)
        start = len(template.prefix)
        ids = np.concatenate([template.prefix, row.source_ids[:size], template.suffix]).astype(np.int64)
        return Pair(
            ids=ids,
            types=np.zeros_like(ids),
            links=np.empty((0, 2), np.int64),
            first=(start, start + size),
            second=(start + size, start + size),
            words=(row.source_word_ids[:size], row.target_word_ids),
            lost_tokens=len(row.source_ids) - size,
            lost_links=0,
        )

    def mask(self, key: RowKey, pair: "Pair", probability: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Choose positions for prediction; return them, rising, and the tokens that stand there instead."""
        generator = np.random.default_rng([self.seeds.masking, key.epoch, key.row, MASK_STREAM])
        candidates = np.concatenate([np.arange(*pair.first), np.arange(*pair.second)])
        units = word_units(pair.words) if self.objective.masking == "whole_word" else None
        if self.objective.masking == "aligned":
            candidates = np.sort(pair.links.ravel())
        chosen = choose(generator, candidates, probability, units)
        return chosen, replace(generator, pair.ids[chosen], self.vocabulary)


@dataclass(frozen=True)
class Pair:
    """A concatenated pair: ids and token types, links between positions (L, 2), the spans of both sentences.

    Of unpaired text the second span is empty.
    """

    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    links: NDArray[np.int64]
    first: tuple[int, int]
    second: tuple[int, int]
    words: tuple[NDArray[np.int16], NDArray[np.int16]]
    lost_tokens: int
    lost_links: int


def truncated_lengths(first: int, second: int, limit: int) -> tuple[int, int]:
    """Take tokens from the longer side, one by one, until both fit; on ties from the second. Return both lengths."""
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
