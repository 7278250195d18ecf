"""Encoded rows, read from the shards of the stage `encode`."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.corpus.tables import MAX_LINKED_TOKENS
from weam_ray.errors import UserError


@dataclass(frozen=True)
class RowKey:
    """A row in a batch: which visit of the corpus (epoch), and its number in the encoded part."""

    epoch: int
    row: int


@dataclass(frozen=True)
class EncodedRow:
    """One encoded pair: token ids, word of each token (-1 for none), one-to-one links (L, 2), languages.

    Unpaired text has an empty target.
    """

    source_ids: NDArray[np.int32]
    target_ids: NDArray[np.int32]
    source_word_ids: NDArray[np.int16]
    target_word_ids: NDArray[np.int16]
    token_links: NDArray[np.int16]
    languages: tuple[str, str] = ("", "")

    @property
    def is_pair(self) -> bool:
        return len(self.target_ids) > 0

    def alone(self) -> "EncodedRow":
        """The source as unpaired text."""
        none = np.empty(0, np.int32), np.empty(0, np.int16), np.empty((0, 2), np.int16)
        return EncodedRow(self.source_ids, none[0], self.source_word_ids, *none[1:], (self.languages[0], ""))

    def swapped(self) -> "EncodedRow":
        return EncodedRow(
            self.target_ids,
            self.source_ids,
            self.target_word_ids,
            self.source_word_ids,
            self.token_links[:, ::-1],
            self.languages[::-1],
        )


class EncodedShard:
    """Rows of an encoded table, all of one language pair, without copying its columns.

    Raises:
        UserError: the links of a row cannot be right, in a stage that an earlier version wrote.
    """

    def __init__(self, table: pa.Table) -> None:
        self.num_tokens: NDArray[np.int32] = table["num_tokens"].to_numpy()
        languages = (table["source_lang"], table["target_lang"])
        self.languages = (languages[0][0].as_py(), languages[1][0].as_py()) if len(table) else ("", "")
        self.columns = {}
        for name in ("source_ids", "target_ids", "source_word_ids", "target_word_ids", "token_links"):
            array = table[name].combine_chunks()
            self.columns[name] = (array.values.to_numpy(zero_copy_only=True), array.offsets.to_numpy())
        if self.num_tokens.max(initial=0) > MAX_LINKED_TOKENS:
            self.check_links(table)

    def check_links(self, table: pa.Table) -> None:
        """See that no row with links has a side with more tokens than links have numbers for."""
        source, target, links = (np.diff(self.columns[name][1]) for name in ("source_ids", "target_ids", "token_links"))
        beyond = np.flatnonzero((np.maximum(source, target) > MAX_LINKED_TOKENS) & (links > 0))
        if len(beyond):
            number = int(beyond[0])
            raise UserError(
                f"The encoded pair {table['pair_id'][number].as_py()} of {'-'.join(self.languages)} has "
                f"{max(source[number], target[number])} tokens on one side, and its links, which an earlier version "
                f"wrote, are wrong beyond {MAX_LINKED_TOKENS}. Delete the folders encode-* among the stages of this "
                "home, and start again: this version rejects such pairs."
            )

    def __len__(self) -> int:
        return len(self.num_tokens)

    def row(self, number: int) -> EncodedRow:
        parts = {}
        for name, (values, offsets) in self.columns.items():
            parts[name] = values[offsets[number] : offsets[number + 1]]
        parts["token_links"] = parts["token_links"].reshape(-1, 2)
        return EncodedRow(**parts, languages=self.languages)
