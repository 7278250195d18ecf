"""The corpus inside the package: public-domain Bible verses (see `corpus/bundled/LICENSE.md`)."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.corpus.readers.base import RAW_PAIRS, raw_pairs, source_files
from weam_ray.errors import UserError
from weam_ray.settings.sources import BundledSource
from weam_ray.store.remote import RemoteFile

BUNDLED_FILE = Path(__file__).resolve().parents[1] / "bundled" / "verses.parquet"


@source_files.register
def bundled_files(source: BundledSource) -> list[Path | RemoteFile]:
    return [BUNDLED_FILE]


@raw_pairs.register
def bundled_pairs(source: BundledSource) -> Iterator[pa.RecordBatch]:
    """The pairs, in the order of the book; a missing verse is a blank side.

    Raises:
        UserError: a language that the corpus does not hold.
    """
    names = [name for name in pq.read_schema(BUNDLED_FILE).names if name != "verse"]
    for language in (source.source_lang, source.target_lang):
        if language not in names:
            raise UserError(f"corpus.sources: the bundled corpus has no {language!r}; it has {', '.join(names)}.")
    columns = ["verse", source.source_lang, source.target_lang]
    for batch in pq.ParquetFile(BUNDLED_FILE).iter_batches(columns=columns):
        problems = pa.nulls(batch.num_rows, pa.string())
        yield pa.record_batch([*(batch[name] for name in columns), problems], schema=RAW_PAIRS)
