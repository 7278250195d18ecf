"""Readers of parallel and of unpaired text, a module for each class of `settings.sources`.

A reader registers functions for its class: `source_files`, the files that are read; `raw_pairs`, their rows in file
order, as record batches of `base.RAW_PAIRS`; and where lines before the first row are none, `num_headings`.
"""

from weam_ray.corpus.readers import (
    bundled,
    csv,
    datasets,
    gettext,
    jsonl,
    moses,
    opus,
    parquet,
    pipes,
    text,
    tmx,
    tsv,
    xliff,
)
from weam_ray.corpus.readers.base import RAW_PAIRS, num_headings, raw_pairs, source_files

READERS = (
    bundled,
    csv,
    datasets,
    gettext,
    jsonl,
    moses,
    opus,
    parquet,
    pipes,
    text,
    tmx,
    tsv,
    xliff,
)  # imported, and so registered

__all__ = ["RAW_PAIRS", "READERS", "num_headings", "raw_pairs", "source_files"]
