"""Encoded rows to batches of sentences that stand alone: masked, for MLM, or with the places of aligned words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weam_ray.config import ObjectiveSection, SeedSection
from weam_ray.encode.batch import Batch, Vocabulary, pad
from weam_ray.encode.collate import MASK_STREAM
from weam_ray.encode.masking import choose, replace, word_units
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.objectives.settings import value_at


@dataclass(frozen=True)
class SentenceCollator:
    """`[CLS] x [SEP]` and `[CLS] y [SEP]` of every row, one after the other, masked: the pair's text, unpaired.

    A row of unpaired text gives one sequence.
    """

    vocabulary: Vocabulary
    objective: ObjectiveSection
    seeds: SeedSection
    max_length: int

    def __call__(self, rows: Sequence[tuple[RowKey, EncodedRow]], step: int = 1) -> Batch:
        probability = value_at(self.objective.mask_probability, step)
        template = self.vocabulary.sentence
        begin = len(template.prefix)
        sequences, lost = framed(rows, self.vocabulary, self.max_length)
        ids, attention_mask = pad(sequences, self.vocabulary.pad_id)
        masked, labels = [], []
        first = 0
        for key, row in rows:
            generator = np.random.default_rng([self.seeds.masking, key.epoch, key.row, MASK_STREAM])
            sides = range(first, first + 1 + row.is_pair)
            first = sides.stop
            sizes = [len(sequences[side]) - template.num_special for side in sides]
            starts = np.array(sides) * ids.shape[1] + begin
            candidates = np.concatenate([start + np.arange(size) for start, size in zip(starts, sizes, strict=True)])
            units = None
            if self.objective.masking == "whole_word":
                words = (row.source_word_ids, row.target_word_ids)
                units = word_units([own[:size] for own, size in zip(words, sizes, strict=False)])
            elif self.objective.masking == "aligned":
                linked = row.token_links[(row.token_links < sizes).all(axis=1)].astype(np.int64)
                candidates = np.sort((linked + starts).ravel())
            chosen = choose(generator, candidates, probability, units)
            masked.append(chosen)
            labels.append(ids.ravel()[chosen])
            ids.ravel()[chosen] = replace(generator, labels[-1], self.vocabulary)
        return Batch(
            ids,
            attention_mask,
            np.zeros_like(ids),
            np.tile(np.arange(ids.shape[1]), (len(ids), 1)),
            np.concatenate(masked),
            np.concatenate(labels),
            lost_tokens=lost,
        )


@dataclass(frozen=True)
class WordCollator:
    """The sentences of every row, nothing masked, with the last subwords of aligned words (Cao et al. 2020).

    Word pairs that are the same text are left out, and so are words whose last subword is cut off. The anchors are all
    positions, but for padding, of sentences in the anchor language.
    """

    vocabulary: Vocabulary
    objective: ObjectiveSection
    seeds: SeedSection
    max_length: int

    def __call__(self, rows: Sequence[tuple[RowKey, EncodedRow]], step: int = 1) -> Batch:
        template = self.vocabulary.sentence
        sequences, lost = framed(rows, self.vocabulary, self.max_length)
        ids, attention_mask = pad(sequences, self.vocabulary.pad_id)
        length = ids.shape[1]
        aligned, anchors, lost_links = [], [], 0
        first = 0
        for _, row in rows:
            sides = np.arange(first, first + 1 + row.is_pair)
            first += len(sides)
            ends = word_ends(row)
            kept = (ends < [len(sequences[side]) - template.num_special for side in sides]).all(axis=1)
            lost_links += int((~kept).sum())
            aligned.append((sides * length + len(template.prefix) + ends[kept]).reshape(-1, 2))
            for side, language in zip(sides.tolist(), row.languages, strict=False):
                if language == self.objective.anchor_language:
                    anchors.append(side * length + np.arange(len(sequences[side])))
        return Batch(
            ids,
            attention_mask,
            np.zeros_like(ids),
            np.tile(np.arange(length), (len(ids), 1)),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            lost,
            lost_links,
            np.concatenate(aligned),
            np.concatenate(anchors) if anchors else np.empty(0, np.int64),
        )


def framed(
    rows: Sequence[tuple[RowKey, EncodedRow]], vocabulary: Vocabulary, max_length: int
) -> tuple[list[NDArray[np.int64]], int]:
    """Every row's source, and its target where there is one, framed, cut at the end; and how many tokens were lost."""
    template = vocabulary.sentence
    room = max_length - template.num_special
    sides = [ids for _, row in rows for ids in (row.source_ids, row.target_ids)[: 1 + row.is_pair]]
    sequences = [np.concatenate([template.prefix, ids[:room], template.suffix]).astype(np.int64) for ids in sides]
    return sequences, sum(max(0, len(ids) - room) for ids in sides)


def word_ends(row: EncodedRow) -> NDArray[np.int64]:
    """(A, 2) the last tokens of aligned words of different text, source and target; each word once, rising."""
    found, used = [], (set[int](), set[int]())
    sides = ((row.source_ids, row.source_word_ids), (row.target_ids, row.target_word_ids))
    for i, j in row.token_links.tolist():
        words = int(row.source_word_ids[i]), int(row.target_word_ids[j])
        if min(words) < 0 or words[0] in used[0] or words[1] in used[1]:
            continue
        used[0].add(words[0])
        used[1].add(words[1])
        tokens = [np.flatnonzero(word_ids == word) for (_, word_ids), word in zip(sides, words, strict=True)]
        texts = [ids[own].tolist() for (ids, _), own in zip(sides, tokens, strict=True)]
        if texts[0] != texts[1]:
            found.append([int(own[-1]) for own in tokens])
    return np.array(found, np.int64).reshape(-1, 2)
