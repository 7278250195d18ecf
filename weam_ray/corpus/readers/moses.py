"""Moses form: two line-aligned files, plain or gzipped."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.readers.base import RAW_PAIRS, existing_file, numbers, raw_pairs, read_lines, source_files
from weam_ray.errors import UserError
from weam_ray.settings.sources import MosesSource


@source_files.register
def moses_files(source: MosesSource) -> list[Path]:
    return [
        existing_file(source.source, "corpus.sources.source"),
        existing_file(source.target, "corpus.sources.target"),
    ]


@raw_pairs.register
def moses_pairs(source: MosesSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by line.

    Raises:
        UserError: the files differ in their number of lines.
    """
    source_file, target_file = source_files(source)
    sources, targets = read_lines(source_file), read_lines(target_file)
    left, right = next(sources, None), next(targets, None)
    row = 0
    while left is not None and right is not None:
        size = min(left.num_rows, right.num_rows)
        texts = [side["text"].slice(0, size) for side in (left, right)]
        problems = pc.coalesce(*(side["problem"].slice(0, size) for side in (left, right)))
        yield pa.record_batch([numbers(row + 1, size), *texts, problems], schema=RAW_PAIRS)
        row += size
        left = left.slice(size) if left.num_rows > size else next(sources, None)
        right = right.slice(size) if right.num_rows > size else next(targets, None)
    if left is not None or right is not None:
        num_source = row + sum(lines.num_rows for lines in chain([left] if left else [], sources))
        num_target = row + sum(lines.num_rows for lines in chain([right] if right else [], targets))
        raise UserError(
            f"{source_file} has {num_source} lines and {target_file} has {num_target}: "
            "line-aligned files must have the same number of lines."
        )
