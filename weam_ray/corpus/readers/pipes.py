"""Both sides on one line, `source ||| target`, as fast_align reads it; plain or packed."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.readers.base import (
    GLUED_SEPARATOR,
    RAW_PAIRS,
    SEPARATOR,
    cut,
    numbers,
    raw_pairs,
    read_lines,
    source_files,
    with_those_of_lines,
)
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.settings.sources import PipesSource
from weam_ray.store.arrays import string_buffers
from weam_ray.store.opening import File

BAR, SPACE, TAB = b"| \t"


@raw_pairs.register
def pipes_pairs(source: PipesSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by line."""
    return file_by_file(source_files(source), pairs_of)


def pairs_of(file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file."""
    number = 1
    for lines in read_lines(file):
        source, target, problems = split_sides(lines["text"])
        problems = with_those_of_lines(problems, lines)
        yield pa.record_batch([numbers(number, len(lines)), source, target, problems], schema=RAW_PAIRS)
        number += len(lines)


def split_sides(lines: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray, pa.StringArray]:
    """What stands left and right of the first separator of each line, and the line's problem or null."""
    text, begins = string_buffers(lines)
    text, begins = text[begins[0] : begins[-1]], begins - begins[0]
    starts, ends = begins[:-1], begins[1:]

    tabs = np.flatnonzero(text == TAB)
    bars = text == BAR
    bars = np.flatnonzero(bars[:-2] & bars[1:-1] & bars[2:])
    line = np.searchsorted(begins, bars, side="right") - 1
    inside = bars + 3 <= ends[line]
    bars, line = bars[inside], line[inside]
    glued = np.zeros(len(lines), bool)
    glued[line] = True
    alone = (bars == starts[line]) | np.isin(text[bars - 1], (SPACE, TAB))
    alone &= (bars + 3 == ends[line]) | np.isin(text[np.minimum(bars + 3, len(text) - 1)], (SPACE, TAB))
    bars = bars[alone]

    found = np.concatenate([bars, tabs])
    after = np.concatenate([bars + 3, tabs + 1])
    order = np.argsort(found)
    line = np.searchsorted(begins, found[order], side="right") - 1
    line, first, count = np.unique(line, return_index=True, return_counts=True)
    source_ends, target_starts, num_separators = ends.copy(), ends.copy(), np.zeros(len(lines), np.int64)
    source_ends[line], target_starts[line], num_separators[line] = found[order][first], after[order][first], count

    source = pc.ascii_rtrim(cut(text, starts, source_ends).view(pa.string()), " ")
    target = pc.ascii_ltrim(cut(text, target_starts, ends).view(pa.string()), " ")
    several, glued = pa.array(num_separators > 1), pa.array(glued & (num_separators == 0))
    problems = pc.if_else(several, SEPARATOR, pc.if_else(glued, GLUED_SEPARATOR, pa.scalar(None, pa.string())))
    return source, target, problems
