"""The filter of pairs that have come before: by hashes, of which each part of the corpus is compared by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.corpus.filters.characters import letters_only
from weam_ray.corpus.held_out import text_hash
from weam_ray.settings.filters import DuplicatesFilter

ROWS_OF_PART = 2_000_000  # some of which a task compares at once; 24 bytes each


@dataclass(frozen=True)
class Keys:
    """The two hashes by which a filter knows a pair: of its texts, the lower one first; or of one and its languages."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @classmethod
    def of(cls, own: DuplicatesFilter, languages: tuple[str, str], batch: pa.RecordBatch) -> "Keys":
        """The keys of the pairs of a batch with the columns `source` and `target`."""
        sides = ("source", "target") if own.sides == "pair" else (own.sides,)
        hashes = []
        for side in sides if languages[1] else ("source",):
            texts = batch[side].to_pylist()
            if own.compare == "letters":  # a text without any is known by itself
                texts = [letters or text for letters, text in zip(letters_only(batch[side]), texts, strict=True)]
            language = languages[side == "target"]
            hashes.append(np.fromiter((text_hash(language, text) for text in texts), np.int64, len(texts)))
        if len(hashes) == 2:
            return cls(np.minimum(*hashes), np.maximum(*hashes))
        among = text_hash("", "\t".join(sorted(languages)))
        return cls(hashes[0], np.full(len(batch), among, np.int64))


def repeated(first: NDArray[np.int64], second: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of some rows, in rising order, whose two keys a lower row has too."""
    order = np.lexsort((rows, second, first))
    same = (first[order][1:] == first[order][:-1]) & (second[order][1:] == second[order][:-1])
    return np.sort(rows[order][1:][same])


def parts_of(num_rows: int) -> int:
    """Into how many parts the keys of a corpus are split."""
    return max(1, -(-num_rows // ROWS_OF_PART))


def in_part(keys: Keys, part: int, of: int) -> NDArray[np.bool_]:
    """Which pairs are compared in a part; the same keys are always in the same one."""
    return keys.first % of == part


def columns_of(names: Sequence[str]) -> list[str]:
    """The columns that hold the keys of some filters in a block."""
    return [f"{name} {order}" for name in names for order in (1, 2)]
