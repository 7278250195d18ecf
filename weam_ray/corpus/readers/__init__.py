"""Readers of parallel text: one small file each, and the table of them.

A reader is a section of the configuration with three methods: `files()`, the paths that it reads;
`pairs()`, an iterator of `RawPair` in file order; and `label()`, how messages call the source.
"""

from typing import Annotated

from pydantic import Field

from weam_ray.corpus.readers.bundled import BundledSource
from weam_ray.corpus.readers.moses import MosesSource
from weam_ray.corpus.readers.parquet import ParquetSource
from weam_ray.corpus.readers.tsv import TsvSource

Source = Annotated[
    BundledSource | MosesSource | ParquetSource | TsvSource,
    Field(discriminator="format"),
]

__all__ = ["BundledSource", "MosesSource", "ParquetSource", "Source", "TsvSource"]
