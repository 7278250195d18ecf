"""Unpaired text: one file, plain or gzipped, a sentence a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from weam_ray.corpus.readers.base import LANGUAGE_PATTERN, RAW_PAIRS, Readable, existing_file, numbers, read_lines
from weam_ray.paths import LocalPath


class TextSource(Readable):
    """Sentences of one language, without translations: rows with a blank target."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["text"]
    path: LocalPath
    language: str = Field(pattern=LANGUAGE_PATTERN)

    @property
    def languages(self) -> tuple[str, str]:
        return self.language, ""

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """The sentences, numbered from 1 by line, each with a blank target."""
        (file,) = self.files()
        row = 0
        for lines in read_lines(file):
            blank = pa.repeat("", len(lines))
            yield pa.record_batch([numbers(row + 1, len(lines)), lines["text"], blank, lines["problem"]], RAW_PAIRS)
            row += len(lines)
