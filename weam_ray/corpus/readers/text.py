"""Unpaired text, plain or packed, a sentence a line."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from weam_ray.corpus.readers.base import RAW_PAIRS, numbers, raw_pairs, read_lines, source_files
from weam_ray.corpus.readers.files import existing_files, file_by_file
from weam_ray.settings.sources import TextSource
from weam_ray.store.opening import File
from weam_ray.store.remote import RemoteFile


@source_files.register
def text_files(source: TextSource) -> list[Path | RemoteFile]:
    return existing_files(source.path, "corpus.sources.path")


@raw_pairs.register
def text_pairs(source: TextSource) -> Iterator[pa.RecordBatch]:
    """The sentences, numbered from 1 by line, each with a blank target."""
    return file_by_file(source_files(source), sentences)


def sentences(file: File) -> Iterator[pa.RecordBatch]:
    """The sentences of one file."""
    row = 0
    for lines in read_lines(file):
        blank = pa.repeat("", len(lines))
        yield pa.record_batch([numbers(row + 1, len(lines)), lines["text"], blank, lines["problem"]], RAW_PAIRS)
        row += len(lines)
