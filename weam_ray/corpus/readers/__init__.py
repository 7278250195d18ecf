"""Readers of parallel and of unpaired text: one small file each, and the table of them.

A reader is a section of the configuration with three methods: `files()`, the paths that it reads;
`pairs()`, the pairs in file order, as record batches of `base.RAW_PAIRS`; and `label()`, how messages call the source.
"""

from typing import Annotated

from pydantic import Field

from weam_ray.corpus.readers.bundled import BundledSource
from weam_ray.corpus.readers.moses import MosesSource
from weam_ray.corpus.readers.parquet import ParquetSource
from weam_ray.corpus.readers.pipes import PipesSource
from weam_ray.corpus.readers.text import TextSource
from weam_ray.corpus.readers.tsv import TsvSource

Source = Annotated[
    BundledSource | MosesSource | ParquetSource | PipesSource | TextSource | TsvSource,
    Field(discriminator="format"),
]

__all__ = ["BundledSource", "MosesSource", "ParquetSource", "PipesSource", "Source", "TextSource", "TsvSource"]
