"""Parquet: a column of text for each side."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from weam_ray.corpus.readers.base import RAW_PAIRS, SourceBase, decode, existing_file, numbers
from weam_ray.errors import UserError
from weam_ray.paths import LocalPath

BATCH_ROWS = 10_000


class ParquetSource(SourceBase):
    """A missing value counts as a blank side. `id_column` names the pairs; without it they are numbered from 1."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["parquet"]
    path: LocalPath
    source_column: str = "source"
    target_column: str = "target"
    id_column: str | None = None

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """The pairs, in file order.

        Raises:
            UserError: not a Parquet file, or a column that is missing or does not hold text, or text that is not
                UTF-8.
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
        row = 0
        batches = table.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(wanted)))
        while True:
            try:
                batch = next(batches, None)
                names = batch[self.id_column].to_pylist() if batch is not None and self.id_column else None
            except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
                raise UserError(f"{file}, after row {row}: damaged ({error}).") from error
            if batch is None:
                return
            sides, problems = zip(
                *(
                    decode(pc.fill_null(batch[name].cast(pa.binary()), b""), file, "row", row + 1)
                    for name in wanted[:2]
                ),
                strict=True,
            )
            ids = numbers(row + 1, batch.num_rows)
            if names is not None:
                ids = pc.coalesce(pa.array([None if name is None else str(name) for name in names], pa.string()), ids)
            yield pa.record_batch([ids, *sides, pc.coalesce(*problems)], schema=RAW_PAIRS)
            row += batch.num_rows
