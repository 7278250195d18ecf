"""Tab-separated text: one pair a line, no quoting."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from weam_ray.corpus.readers.base import RAW_PAIRS, SourceBase, existing_file, numbers, read_lines
from weam_ray.errors import UserError
from weam_ray.paths import LocalPath


class TsvSource(SourceBase):
    """Columns are counted from 0. `header: true` skips the first line."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["tsv"]
    path: LocalPath
    source_column: int = Field(default=0, ge=0)
    target_column: int = Field(default=1, ge=0)
    header: bool = False

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """The pairs, numbered from 1 by line.

        Raises:
            UserError: a line has too few columns.
        """
        (file,) = self.files()
        needed = max(self.source_column, self.target_column) + 1
        number = 1
        for block in read_lines(file):
            skipped = int(self.header and number == 1)
            lines, number = block.slice(skipped), number + skipped
            columns = pc.split_pattern(lines["text"], "\t")
            widths = pc.list_value_length(columns).to_numpy()
            narrow = np.flatnonzero(widths < needed)
            if len(narrow):
                raise UserError(
                    f"{file}, line {number + narrow[0]}: {widths[narrow[0]]} tab-separated columns, but columns "
                    f"{self.source_column} and {self.target_column} (counted from 0) are asked for."
                )
            sides = [pc.list_element(columns, column) for column in (self.source_column, self.target_column)]
            yield pa.record_batch([numbers(number, len(lines)), *sides, lines["problem"]], schema=RAW_PAIRS)
            number += len(lines)
