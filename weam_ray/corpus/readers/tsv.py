"""Tab-separated text: one pair a line, no quoting; plain or packed."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.corpus.readers.base import (
    COLUMNS,
    NO_PROBLEM,
    RAW_PAIRS,
    SEPARATOR,
    before_damage,
    num_headings,
    numbers,
    raw_pairs,
    read_lines,
    source_files,
    with_those_of_lines,
)
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.headings import is_heading, is_swapped
from weam_ray.errors import UserError
from weam_ray.settings.sources import TsvSource
from weam_ray.store.opening import File


@num_headings.register
def tsv_num_headings(source: TsvSource) -> int:
    return sum(heading_of(source, file) is not None for file in source_files(source))


def heading_of(source: TsvSource, file: File) -> list[str] | None:
    """The cells of the first line of a file where it is a heading, as it is said or seen.

    Raises:
        UserError: it names the languages of the two columns the other way round.
    """
    first = next(before_damage(read_lines(file)), None)
    if first is None or source.header is False:
        return None
    cells = first["text"][0].as_py().split("\t")
    if source.header or max(source.columns) >= len(cells):
        return cells if source.header else None
    names = cells[source.source_column], cells[source.target_column]
    if is_swapped(names, source.languages):
        raise UserError(
            f"{file}, line 1: the heading calls column {source.source_column} {names[0]!r} and column "
            f"{source.target_column} {names[1]!r}, but they are to hold {' and '.join(source.languages)}; exchange "
            "source_column and target_column, or say by header: true or false whether this is a heading at all."
        )
    return cells if is_heading(names, source.languages) else None


@raw_pairs.register
def tsv_pairs(source: TsvSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by line, the heading counted too.

    Raises:
        UserError: no line has the columns.
    """
    return file_by_file(source_files(source), partial(pairs_of, source))


def pairs_of(source: TsvSource, file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file.

    Raises:
        UserError: no line has the columns.
    """
    width = width_of(source, file)
    for number, lines in blocks_of(source, file):
        columns, widths = split_columns(lines["text"])
        begins = columns.offsets.to_numpy()[:-1]
        sides = [
            pc.fill_null(columns.values.take(pa.array(begins + column, mask=widths <= column)), "")
            for column in source.columns
        ]
        wider, narrower = pa.array(widths > width), pa.array((widths < width) & (widths > 0))
        problems = pc.if_else(wider, SEPARATOR, pc.if_else(narrower, COLUMNS, NO_PROBLEM))
        problems = with_those_of_lines(problems, lines)
        yield pa.record_batch([numbers(number, len(lines)), *sides, problems], schema=RAW_PAIRS)


def blocks_of(source: TsvSource, file: File) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The lines of a file without the heading, some at a time, with the number from 1 of the first of them."""
    number, skipped = 1, int(heading_of(source, file) is not None)
    for lines in read_lines(file):
        yield number + skipped, lines.slice(skipped)
        number, skipped = number + len(lines), 0


def width_of(source: TsvSource, file: File) -> int:
    """The columns that a line of a file must have: those of the heading, else those that most lines have of the lines
    that have both columns, the fewest on ties.

    Raises:
        UserError: there are lines, and none has both columns, or as many as the heading.
    """
    counts = np.zeros(max(source.columns) + 2, np.int64)
    for _, lines in before_damage(blocks_of(source, file)):
        found = np.bincount(split_columns(lines["text"])[1], minlength=len(counts))
        counts = np.pad(counts, (0, len(found) - len(counts))) + found
    needed = max(source.columns) + 1
    most = needed + int(np.argmax(counts[needed:]))
    if not counts[needed:].any() and counts[1:].any():
        raise UserError(
            f"{file}: no line has more than {np.flatnonzero(counts)[-1]} tab-separated columns, but columns "
            f"{source.source_column} and {source.target_column} (counted from 0) are asked for."
        )
    heading = heading_of(source, file) or []
    named = len(heading)
    if named < needed or not counts[needed:].any():
        return most
    if named < len(counts) and counts[named]:
        return named
    if source.header:
        return most
    raise UserError(
        f"{file}: line 1 is a heading of {named} tab-separated columns, but most lines have {most}; name all "
        "columns there, or say by header: true that those without a name come last."
    )


def split_columns(lines: pa.StringArray) -> tuple[pa.ListArray, NDArray[np.int64]]:
    """The columns of each line, and how many there are, 0 of a blank line."""
    columns = pc.split_pattern(lines, "\t")
    blank = pc.or_(pc.equal(lines, ""), pc.utf8_is_space(lines))
    return columns, pc.if_else(blank, 0, pc.list_value_length(columns)).to_numpy().astype(np.int64)
