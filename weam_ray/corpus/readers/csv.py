"""CSV: named columns, and quotes around fields where need be (RFC 4180)."""

import csv
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from weam_ray.corpus.readers.base import (
    COLUMNS,
    LONGEST_TEXT,
    QUOTES,
    SEPARATOR,
    TOO_LONG,
    raw_pairs,
    read_lines,
    source_files,
)
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.languages import found_among
from weam_ray.corpus.readers.rows import Row, in_batches
from weam_ray.errors import UserError
from weam_ray.settings.sources import DEFAULT_COLUMNS, CsvSource
from weam_ray.store.opening import File

MOST_LINES = 1_000  # of a record; with more, a quote is missing


class Line(NamedTuple):
    """A line of a file, its number from 1, and what is wrong with it."""

    number: int
    text: str
    problem: str | None


class Record(NamedTuple):
    """The cells that begin on a line; none of a blank line, and of one from which none can be read."""

    line: Line
    cells: list[str]


@raw_pairs.register
def csv_pairs(source: CsvSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered by the lines where they begin, from 1, the heading counted too.

    Raises:
        UserError: a file lacks a column, or its first line cannot be read.
    """
    return file_by_file(source_files(source), partial(pairs_of, source))


def pairs_of(source: CsvSource, file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file.

    Raises:
        UserError: it lacks a column, or its first line cannot be read.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_TEXT))
    found = records(file, source.delimiter)
    heading = next(found, None)
    if heading is not None:
        places = places_of(source, file, heading)
        yield from in_batches(row_of(record, places, len(heading.cells)) for record in found)


def row_of(record: Record, places: list[int], width: int) -> Row:
    """The pair of a record, whose source, target and perhaps name are at some places."""
    (number, text, problem), cells = record
    if not cells:
        return Row(str(number), text, "", problem)
    if len(cells) != width:
        problem = SEPARATOR if len(cells) > width else COLUMNS
    found = [cells[place] if place < len(cells) else "" for place in places]
    return Row("".join(found[2:]) or str(number), found[0], found[1], problem)


def places_of(source: CsvSource, file: File, heading: Record) -> list[int]:
    """Where source and target are, and the name of a pair if it is asked for, from 0.

    Raises:
        UserError: the heading cannot be read, or a column is missing, or there twice.
    """
    if heading.line.problem is not None:
        raise UserError(f"{file}, line 1: this is no heading of a CSV file ({heading.line.problem}).")
    names = [cell.strip() for cell in heading.cells]
    if source.columns == DEFAULT_COLUMNS and not {*DEFAULT_COLUMNS} & {*names}:
        left, right = found_among(tuple(names), source.languages)
        if left is not None and right is not None:
            names[left], names[right] = DEFAULT_COLUMNS
    wanted = [*source.columns, *([source.id_column] if source.id_column else [])]
    for name in wanted:
        if name not in names:
            raise UserError(f"{file}, line 1: no column {name!r}; there are {', '.join(names)}.")
        if names.count(name) > 1:
            raise UserError(f"{file}, line 1: {names.count(name)} columns are called {name!r}; give them other names.")
    return [names.index(name) for name in wanted]


def records(file: File, delimiter: str) -> Iterator[Record]:
    """The records of a file.

    A line on which none can be read has the problem `quotes`, and the next line begins another record: a quote that is
    missing costs one line, and not all up to the next quote.
    """
    lines = numbered_lines(file)
    waiting: list[Line] = []  # lines to be read once more, the last one first
    taken: list[Line] = []  # lines of one record

    def further() -> Iterator[str]:
        while len(taken) < MOST_LINES:
            line = waiting.pop() if waiting else next(lines, None)
            if line is None:
                return
            if line.problem == TOO_LONG:
                waiting.append(line)
                return
            taken.append(line)
            yield f"{line.text}\n"

    while True:
        first = waiting.pop() if waiting else next(lines, None)
        if first is None:
            return
        if first.problem == TOO_LONG or not first.text.strip():
            yield Record(first, [])
        elif '"' not in first.text:
            yield Record(first, first.text.split(delimiter))
        else:
            waiting.append(first)
            taken.clear()
            try:
                cells = next(csv.reader(further(), delimiter=delimiter, strict=True))
                problems = [line.problem for line in taken if line.problem is not None]
                yield Record(Line(first.number, first.text, problems[0] if problems else None), cells)
            except csv.Error:
                waiting.extend(reversed(taken[1:]))
                yield Record(Line(first.number, first.text, QUOTES), [])


def numbered_lines(file: File) -> Iterator[Line]:
    """The lines of a file one by one."""
    number = 0
    for lines in read_lines(file):
        for text, problem in zip(lines["text"].to_pylist(), lines["problem"].to_pylist(), strict=True):
            number += 1
            yield Line(number, text, problem)
