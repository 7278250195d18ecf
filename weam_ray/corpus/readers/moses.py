"""Moses form: two line-aligned files, plain or packed; or several such pairs of files."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.readers.base import RAW_PAIRS, numbers, raw_pairs, read_lines, source_files
from weam_ray.corpus.readers.files import existing_files, file_by_file
from weam_ray.errors import UserError
from weam_ray.settings.sources import MosesSource
from weam_ray.store.opening import File
from weam_ray.store.remote import RemoteFile


@source_files.register
def moses_files(source: MosesSource) -> list[Path | RemoteFile]:
    """The files of the source side, then as many of the target side.

    Raises:
        UserError: a file is missing, or one side has more files.
    """
    sources = existing_files(source.source, "corpus.sources.source")
    targets = existing_files(source.target, "corpus.sources.target")
    if len(sources) != len(targets):
        raise UserError(
            f"corpus.sources: source names {len(sources)} files and target {len(targets)} ({source.label()}): "
            "each file needs the one with its translations."
        )
    return [*sources, *targets]


@raw_pairs.register
def moses_pairs(source: MosesSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by line.

    Raises:
        UserError: two files differ in their number of lines.
    """
    files = source_files(source)
    half = len(files) // 2
    return file_by_file([*zip(files[:half], files[half:], strict=True)], line_by_line)


def line_by_line(files: tuple[File, File]) -> Iterator[pa.RecordBatch]:
    """The pairs of two line-aligned files.

    Raises:
        UserError: they differ in their number of lines.
    """
    sources, targets = map(read_lines, files)
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
            f"{files[0]} has {num_source} lines and {files[1]} has {num_target}: "
            "line-aligned files must have the same number of lines."
        )
