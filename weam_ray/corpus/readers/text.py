"""Unpaired text: one file, plain or gzipped, a sentence a line."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from weam_ray.corpus.readers.base import RAW_PAIRS, existing_file, numbers, raw_pairs, read_lines, source_files
from weam_ray.settings.sources import TextSource


@source_files.register
def text_files(source: TextSource) -> list[Path]:
    return [existing_file(source.path, "corpus.sources.path")]


@raw_pairs.register
def text_pairs(source: TextSource) -> Iterator[pa.RecordBatch]:
    """The sentences, numbered from 1 by line, each with a blank target."""
    (file,) = source_files(source)
    row = 0
    for lines in read_lines(file):
        blank = pa.repeat("", len(lines))
        yield pa.record_batch([numbers(row + 1, len(lines)), lines["text"], blank, lines["problem"]], RAW_PAIRS)
        row += len(lines)
