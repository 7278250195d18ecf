"""Makes batches of sentences that stand alone: masked, for MLM, or with the places of aligned words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weam_ray.batches.batch import Batch, Vocabulary, padded_length
from weam_ray.batches.masking import choose, replace, word_units
from weam_ray.batches.pairs import MASK_STREAM
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.settings.objective import ObjectiveSection, value_at
from weam_ray.settings.training import SeedSection


@dataclass(frozen=True)
class SentenceCollator:
    """Makes batches of the sentences of every row, masked, each by itself: `[CLS] x [SEP]` and `[CLS] y [SEP]`."""

    vocabulary: Vocabulary
    objective: ObjectiveSection
    seeds: SeedSection
    max_length: int

    def __call__(self, rows: Sequence[tuple[RowKey, EncodedRow]], step: int = 1) -> Batch:
        probability = value_at(self.objective.mask_probability, step)
        layout = Layout.of([row for _, row in rows], self.vocabulary, self.max_length)
        ids = layout.input_ids.ravel()
        masked, labels = [], []
        for (key, row), starts, sizes in zip(rows, layout.starts, layout.sizes, strict=True):
            generator = np.random.default_rng([self.seeds.masking, key.epoch, key.row, MASK_STREAM])
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
            labels.append(ids[chosen])
            ids[chosen] = replace(generator, labels[-1], self.vocabulary)
        return layout.batch(masked=np.concatenate(masked), labels=np.concatenate(labels))


@dataclass(frozen=True)
class WordCollator:
    """Makes batches of the sentences of every row, unmasked, with the last subwords of aligned words (Cao et al. 2020).

    Word pairs that are the same text are left out, and so are words whose last subword is cut off. The anchors are all
    positions, but for padding, of sentences in the anchor language, which come first in their rows.
    """

    vocabulary: Vocabulary
    objective: ObjectiveSection
    seeds: SeedSection
    max_length: int

    def __call__(self, rows: Sequence[tuple[RowKey, EncodedRow]], step: int = 1) -> Batch:
        anchor = self.objective.anchor_language
        own = [row.swapped() if row.is_pair and row.languages[1] == anchor else row for _, row in rows]
        layout = Layout.of(own, self.vocabulary, self.max_length)
        template = self.vocabulary.sentence
        aligned, anchors = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
        lost_links = 0
        for row, starts, sizes in zip(own, layout.starts, layout.sizes, strict=True):
            ends = word_ends(row)
            kept = (ends < sizes).all(axis=1)
            lost_links += int((~kept).sum())
            aligned.append((starts + ends[kept]).reshape(-1, 2))
            for language, start, size in zip(row.languages, starts, sizes, strict=False):
                if language == anchor:
                    begin = start - len(template.prefix)
                    anchors.append(np.arange(begin, begin + size + template.num_special))
        return layout.batch(aligned=np.concatenate(aligned), anchors=np.concatenate(anchors), lost_links=lost_links)


@dataclass(frozen=True)
class Layout:
    """The places of the sentences of some rows, each in its frame and cut at the end.

    The two of a pair stand side by side, each attending to itself, where the encoder can do that: so a batch of pairs
    of like length has little padding. Elsewhere each has a row of the batch.

    Attributes:
        input_ids, attention_mask: (B, T), as in `Batch`.
        starts: flattened position of the first token of each sentence's text, for each encoded row (1,) or (2,).
        sizes: tokens of that text, likewise.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    starts: list[NDArray[np.int64]]
    sizes: list[NDArray[np.int64]]
    lost_tokens: int

    @classmethod
    def of(cls, rows: Sequence[EncodedRow], vocabulary: Vocabulary, max_length: int) -> "Layout":
        template = vocabulary.sentence
        room = max_length - template.num_special
        texts = [(row.source_ids, row.target_ids)[: 1 + row.is_pair] for row in rows]
        sizes = [np.array([min(room, len(text)) for text in own]) for own in texts]
        lines = [[np.concatenate([template.prefix, text[:room], template.suffix]) for text in own] for own in texts]
        if not vocabulary.packs:
            lines = [[sentence] for line in lines for sentence in line]
        longest = max_length * max(map(len, lines))  # a row of sentences side by side has their lengths together
        length = padded_length(max(sum(map(len, line)) for line in lines), vocabulary.multiple, longest)
        input_ids = np.full((len(lines), length), vocabulary.pad_id, np.int64)
        attention_mask = np.zeros((len(lines), length), np.int64)
        begins = []
        for number, line in enumerate(lines):
            begin = 0
            for sequence, sentence in enumerate(line, start=1):
                end = begin + len(sentence)
                input_ids[number, begin:end] = sentence
                attention_mask[number, begin:end] = sequence
                begins.append(number * length + begin + len(template.prefix))
                begin = end
        starts = np.split(np.array(begins), np.cumsum([len(own) for own in texts])[:-1])
        lost = sum(max(0, len(text) - room) for own in texts for text in own)
        return cls(input_ids, attention_mask, starts, sizes, lost)

    def batch(self, **parts: Any) -> Batch:
        """Make the batch of these sentences; `masked` and `labels` are empty unless given."""
        none = np.empty(0, np.int64)
        length = self.input_ids.shape[1]
        return Batch(
            self.input_ids,
            self.attention_mask,
            np.zeros_like(self.input_ids),
            np.tile(np.arange(length), (len(self.input_ids), 1)),
            **{"masked": none, "labels": none, "lost_tokens": self.lost_tokens, **parts},
        )


def word_ends(row: EncodedRow) -> NDArray[np.int64]:
    """Find the last tokens, (A, 2), of aligned words of different text, source and target; each word once, rising."""
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
