"""Sentence pairs as numbers: the words of some sentences, each named by its place among the distinct ones."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from weam_ray.align.fast_align.pairs import group_pairs
from weam_ray.corpus.words import Words
from weam_ray.store.arrays import freeze, string_buffers


@dataclass(frozen=True)
class Side:
    """One side of some sentence pairs: sentence s has the words `ids[offsets[s]:offsets[s + 1]]`, each a place in
    `forms`, the distinct words in rising order (of code points).
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    forms: pa.StringArray

    def __post_init__(self) -> None:
        freeze(self.ids, self.offsets)

    @classmethod
    def of(cls, words: Words, lowercase: bool) -> "Side":
        encoded = words.words.dictionary_encode()
        ids, forms = encoded.indices.to_numpy(), encoded.dictionary
        if lowercase:
            lowered = pa.array([form.lower() for form in forms.to_pylist()], pa.string()).dictionary_encode()
            ids, forms = lowered.indices.to_numpy()[ids], lowered.dictionary
        rising = pc.array_sort_indices(forms).to_numpy()
        rank = np.empty(len(rising), np.int32)
        rank[rising] = np.arange(len(rising), dtype=np.int32)
        return cls(rank[ids], words.offsets, forms.take(pa.array(rising)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Bitext:
    """Sentence pairs with words on both sides."""

    source: Side
    target: Side

    def __post_init__(self) -> None:
        assert len(self.source.offsets) == len(self.target.offsets)
        lengths = np.concatenate([self.source.lengths, self.target.lengths])
        assert len(lengths) == 0 or 0 < lengths.min() <= lengths.max() < 2**15, "a blank side, or one without end"

    @property
    def num_cells(self) -> int:
        return int(self.source.lengths @ self.target.lengths)

    def cells_by_source_word(self) -> NDArray[np.int64]:
        """How many cells each distinct source word has."""
        beside = np.repeat(self.target.lengths, self.source.lengths)
        return np.bincount(self.source.ids, weights=beside, minlength=len(self.source.forms)).astype(np.int64)

    def length_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The distinct (m, n), rising, and how many pairs have each."""
        lengths = np.stack([self.target.lengths, self.source.lengths], axis=1)
        return np.unique(lengths, axis=0, return_counts=True)

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
        """Row offsets, columns, cells and cell offsets of `group_pairs`."""
        source, target = self.source, self.target
        return group_pairs(source.ids, source.offsets, target.ids, target.offsets, len(source.forms), len(target.forms))


@njit(cache=True, nogil=True)
def _find(wanted, wanted_offsets, known, known_offsets, numbers):
    for k in range(len(numbers)):
        begin = wanted_offsets[k]
        length = wanted_offsets[k + 1] - begin
        low = 0
        high = len(known_offsets) - 1
        numbers[k] = -1
        while low < high:
            middle = (low + high) >> 1
            other = known_offsets[middle]
            other_length = known_offsets[middle + 1] - other
            shared = min(length, other_length)
            at = 0
            while at < shared and wanted[begin + at] == known[other + at]:
                at += 1
            if at == length and at == other_length:
                numbers[k] = middle
                break
            if at == other_length or (at < length and wanted[begin + at] > known[other + at]):
                low = middle + 1
            else:
                high = middle


def find_forms(wanted: pa.StringArray, known: pa.StringArray) -> NDArray[np.int32]:
    """The place of each word in `known`, which is sorted; -1 for a word that is not there.

    A binary search over the bytes as they lie, so that a large vocabulary is shared and not copied into a hash table.
    """
    numbers = np.empty(len(wanted), np.int32)
    _find(*string_buffers(wanted), *string_buffers(known), numbers)
    return numbers
