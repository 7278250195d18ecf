"""Parquet: a column of text for each side, or a field of a struct column."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.corpus.readers.base import SKIPS, raw_pairs, source_files
from weam_ray.corpus.readers.columns import BATCH_ROWS, columns_of, names_of, pairs_of_columns
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.errors import UserError
from weam_ray.settings.sources import ParquetSource
from weam_ray.store.remote import RemoteFile


@raw_pairs.register
def parquet_pairs(source: ParquetSource) -> Iterator[pa.RecordBatch]:
    """The pairs, in the order of the files.

    Raises:
        UserError: a file is no Parquet file, or lacks a column, or does not hold text there, or text that is not UTF-8.
    """
    files = source_files(source)
    for file in () if SKIPS.get() else files:  # what one of many lacks shows before the first is read
        with opened(file) as table:
            columns_of(source, file, table.schema_arrow)
    return file_by_file(files, partial(pairs_of, source))


def pairs_of(source: ParquetSource, file: Path | RemoteFile) -> Iterator[pa.RecordBatch]:
    """The pairs of one file.

    Raises:
        UserError: see `parquet_pairs`.
    """
    with opened(file) as table:
        wanted = columns_of(source, file, table.schema_arrow)
        batches = table.iter_batches(BATCH_ROWS, columns=names_of(source, wanted))
        yield from pairs_of_columns(source, wanted, batches, file)


def opened(file: Path | RemoteFile) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        UserError: it is none.
    """
    try:
        return pq.ParquetFile(file if isinstance(file, Path) else file.open("rb"))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not a Parquet file ({error}).") from error
