"""Both sides on one line, `source ||| target`, as fast_align reads it; plain or gzipped."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.arrays import string_buffers
from weam_ray.corpus.readers.base import (
    GLUED_SEPARATOR,
    RAW_PAIRS,
    SEPARATOR,
    SourceBase,
    cut,
    existing_file,
    numbers,
    read_lines,
)
from weam_ray.paths import LocalPath

BAR, SPACE, TAB = b"| \t"


class PipesSource(SourceBase):
    """The token `|||` parts the sides, and so does a tab; a line without either has a blank target.

    A line with more than one of them has the problem `separator`, and one that has `|||` only as a part of other words
    has the problem `glued_separator`.
    """

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["pipes"]
    path: LocalPath

    def label(self) -> str:
        return self.path

    def files(self) -> list[Path]:
        return [existing_file(self.path, "corpus.sources.path")]

    def pairs(self) -> Iterator[pa.RecordBatch]:
        """The pairs, numbered from 1 by line."""
        number = 1
        for lines in read_lines(*self.files()):
            source, target, problems = split_sides(lines["text"])
            problems = pc.coalesce(problems, lines["problem"])
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
