"""Parquet: a column of text for each side."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.corpus.readers.base import RawPair, SourceBase, existing_file
from weam_ray.errors import UserError


class ParquetSource(SourceBase):
    """A missing value counts as a blank side. `id_column` names the pairs; without it they are numbered from 1."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["parquet"]
    path: str
    source_column: str = "source"
    target_column: str = "target"
    id_column: str | None = None

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def pairs(self) -> Iterator[RawPair]:
        """The pairs, in file order.

        Raises:
            UserError: not a Parquet file, or a column that is missing or does not hold text.
        """
        (file,) = self.files()
        try:
            table = pq.ParquetFile(file)
        except pa.ArrowInvalid as error:
            raise UserError(f"{file}: not a Parquet file ({error}).") from error
        wanted = [self.source_column, self.target_column] + ([self.id_column] if self.id_column else [])
        schema = table.schema_arrow
        for column in wanted:
            if column not in schema.names:
                raise UserError(f"{file}: no column {column!r}; there are {', '.join(schema.names)}.")
        for column in wanted[:2]:
            kind = schema.field(column).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise UserError(f"{file}: column {column!r} holds {kind}, not text.")
        number = 0
        batches = table.iter_batches(columns=list(dict.fromkeys(wanted)))
        while True:
            try:
                batch = next(batches, None)
                columns = [] if batch is None else [batch[name].to_pylist() for name in wanted]
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                raise UserError(f"{file}, after row {number}: damaged ({error}).") from error
            if batch is None:
                return
            sources, targets = columns[:2]
            names = columns[2] if self.id_column else [None] * len(sources)
            for source, target, name in zip(sources, targets, names, strict=True):
                number += 1
                yield RawPair(str(number if name is None else name), source or "", target or "")
