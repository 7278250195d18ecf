"""Tab-separated text: one pair a line, no quoting."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from weam_ray.corpus.readers.base import RawPair, SourceBase, existing_file, read_lines
from weam_ray.errors import UserError


class TsvSource(SourceBase):
    """Columns are counted from 0. `header: true` skips the first line."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["tsv"]
    path: str
    source_column: int = Field(default=0, ge=0)
    target_column: int = Field(default=1, ge=0)
    header: bool = False

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def pairs(self) -> Iterator[RawPair]:
        """The pairs, numbered from 1 by line.

        Raises:
            UserError: a line has too few columns.
        """
        (file,) = self.files()
        needed = max(self.source_column, self.target_column) + 1
        for number, line in read_lines(file):
            if number == 1 and self.header:
                continue
            columns = line.split("\t")
            if len(columns) < needed:
                raise UserError(
                    f"{file}, line {number}: {len(columns)} tab-separated columns, but columns "
                    f"{self.source_column} and {self.target_column} (counted from 0) are asked for."
                )
            yield RawPair(str(number), columns[self.source_column], columns[self.target_column])
