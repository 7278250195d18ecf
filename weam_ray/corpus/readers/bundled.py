"""The corpus inside the package: public-domain Bible verses (see `corpus/bundled/LICENSE.md`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.corpus.readers.base import RAW_PAIRS, SourceBase
from weam_ray.errors import UserError

BUNDLED_FILE = Path(__file__).resolve().parents[1] / "bundled" / "verses.parquet"


class BundledSource(SourceBase):
    """Any two of the corpus's languages, `en`, `de`, `es`, `fr`, `ru`, `tl`; the verse names the pair."""

    format: Literal["bundled"]

    def label(self) -> str:
        return f"the bundled corpus, {self.language_pair}"

    def files(self) -> list[Path]:
        return [BUNDLED_FILE]

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """The pairs, in the order of the book; a missing verse is a blank side.

        Raises:
            UserError: a language that the corpus does not hold.
        """
        names = [name for name in pq.read_schema(BUNDLED_FILE).names if name != "verse"]
        for language in (self.source_lang, self.target_lang):
            if language not in names:
                raise UserError(f"corpus.sources: the bundled corpus has no {language!r}; it has {', '.join(names)}.")
        columns = ["verse", self.source_lang, self.target_lang]
        for batch in pq.ParquetFile(BUNDLED_FILE).iter_batches(columns=columns):
            problems = pa.nulls(batch.num_rows, pa.string())
            yield pa.record_batch([*(batch[name] for name in columns), problems], schema=RAW_PAIRS)
