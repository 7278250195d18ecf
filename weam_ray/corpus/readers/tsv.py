"""Tab-separated text: one pair a line, no quoting; plain or packed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from weam_ray.corpus.readers.base import (
    COLUMNS,
    RAW_PAIRS,
    SEPARATOR,
    SourceBase,
    existing_file,
    numbers,
    read_lines,
)
from weam_ray.corpus.readers.headings import is_heading, is_swapped
from weam_ray.errors import UserError
from weam_ray.paths import LocalPath

REVISION = 2  # of what is made of a file


class TsvSource(SourceBase):
    """Columns are counted from 0. All lines must have as many columns as the heading, or as most lines.

    A line with more has the problem `separator`, since a tab may stand in its text, one with fewer `columns`.
    `header` says whether the first line is a heading; without it, it is one where it names the two columns.
    """

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["tsv"]
    path: LocalPath
    source_column: int = Field(default=0, ge=0)
    target_column: int = Field(default=1, ge=0)
    header: bool | None = Field(default=None, description="whether line 1 is a heading; null: where it names columns")

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "revision": REVISION}

    @property
    def columns(self) -> tuple[int, int]:
        return self.source_column, self.target_column

    def num_headings(self) -> int:
        return int(self.heading() is not None)

    def heading(self) -> list[str] | None:
        """The cells of the first line of the file where it is a heading, as it is said or seen.

        Raises:
            UserError: it names the languages of the two columns the other way round.
        """
        (file,) = self.files()
        first = next(read_lines(file), None)
        if first is None or self.header is False:
            return None
        cells = first["text"][0].as_py().split("\t")
        if self.header or max(self.columns) >= len(cells):
            return cells if self.header else None
        own = cells[self.source_column], cells[self.target_column]
        if is_swapped(own, self.languages):
            raise UserError(
                f"{self.path}, line 1: the heading calls column {self.source_column} {own[0]!r} and column "
                f"{self.target_column} {own[1]!r}, but they are to hold {' and '.join(self.languages)}; exchange "
                "source_column and target_column, or say by header: true or false whether this is a heading at all."
            )
        return cells if is_heading(own, self.languages) else None

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """The pairs, numbered from 1 by line, the heading counted too.

        Raises:
            UserError: no line has the columns.
        """
        width = self.width()
        no_problem = pa.scalar(None, pa.string())
        for number, lines in self.blocks():
            columns, widths = split_columns(lines["text"])
            begins = columns.offsets.to_numpy()[:-1]
            sides = [
                pc.fill_null(columns.values.take(pa.array(begins + column, mask=widths <= column)), "")
                for column in self.columns
            ]
            wider, narrower = pa.array(widths > width), pa.array((widths < width) & (widths > 0))
            problems = pc.if_else(wider, SEPARATOR, pc.if_else(narrower, COLUMNS, no_problem))
            problems = pc.coalesce(problems, lines["problem"])
            yield pa.record_batch([numbers(number, len(lines)), *sides, problems], schema=RAW_PAIRS)

    def blocks(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The lines without the heading, some at a time, with the number from 1 of the first of them."""
        (file,) = self.files()
        number, skipped = 1, self.num_headings()
        for lines in read_lines(file):
            yield number + skipped, lines.slice(skipped)
            number, skipped = number + len(lines), 0

    def width(self) -> int:
        """The columns that a line must have: those of the heading, else those that most lines have of the lines that
        have both columns, the fewest on ties.

        Raises:
            UserError: there are lines, and none has both columns, or as many as the heading.
        """
        counts = np.zeros(max(self.columns) + 2, np.int64)
        for _, lines in self.blocks():
            found = np.bincount(split_columns(lines["text"])[1], minlength=len(counts))
            counts = np.pad(counts, (0, len(found) - len(counts))) + found
        needed = max(self.columns) + 1
        most = needed + int(np.argmax(counts[needed:]))
        if not counts[needed:].any() and counts[1:].any():
            raise UserError(
                f"{self.path}: no line has more than {np.flatnonzero(counts)[-1]} tab-separated columns, but columns "
                f"{self.source_column} and {self.target_column} (counted from 0) are asked for."
            )
        heading = self.heading() or []
        named = len(heading)
        if named < needed or not counts[needed:].any():
            return most
        if named < len(counts) and counts[named]:
            return named
        if self.header:
            return most
        raise UserError(
            f"{self.path}: line 1 is a heading of {named} tab-separated columns, but most lines have {most}; name all "
            "columns there, or say by header: true that those without a name come last."
        )


def split_columns(lines: pa.StringArray) -> tuple[pa.ListArray, NDArray[np.int64]]:
    """The columns of each line, and how many there are, 0 of a blank line."""
    columns = pc.split_pattern(lines, "\t")
    blank = pc.or_(pc.equal(lines, ""), pc.utf8_is_space(lines))
    return columns, pc.if_else(blank, 0, pc.list_value_length(columns)).to_numpy().astype(np.int64)
