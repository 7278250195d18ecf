"""The files of a source: by path, by address, or by pattern; one, or several that are read one after another."""

import glob
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.readers.base import DAMAGED, RAW_PAIRS, SKIPS, source_files
from weam_ray.errors import Unreachable, UserError
from weam_ray.settings.sources import FileSource
from weam_ray.store.remote import RemoteFile, matching

Files = TypeVar("Files")


@source_files.register
def files_of(source: FileSource) -> list[Path | RemoteFile]:
    """The files that `path` names."""
    return existing_files(source.path, "corpus.sources.path")


def existing_files(paths: str | list[str], key: str) -> list[Path | RemoteFile]:
    """The files that a configuration key names, one by one or by patterns; those of a pattern by name.

    Raises:
        UserError: no such file, or none of a pattern.
    """
    return [file for path in ([paths] if isinstance(paths, str) else paths) for file in named_by(path, key)]


def named_by(path: str, key: str) -> list[Path | RemoteFile]:
    """The file of a path or of an address, or the files of a pattern.

    Raises:
        UserError: there are none.
    """
    is_remote = "://" in path
    file = RemoteFile(path) if is_remote else Path(path)
    if not is_remote and file.is_file():
        return [file]  # whatever signs are in its name
    if re.search(r"[*[]", path.partition("?")[0]) if is_remote else glob.has_magic(path):
        found: list[Path | RemoteFile] = (
            [*matching(path)] if is_remote else [Path(name) for name in sorted(glob.glob(path)) if os.path.isfile(name)]
        )
        if not found:
            raise UserError(f"{key}: there is no file of the pattern {path!r}.")
        return found
    if not file.is_file():
        raise UserError(f"{key}: there is no file {path!r}.")
    return [file]


def up_to_damage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of a file; where it is damaged, the last one has a row for that, if damage is skipped.

    Raises:
        UserError: the file is damaged, and damage is not skipped.
    """
    try:
        yield from batches
    except Unreachable:
        raise  # which is no damage
    except UserError as error:
        if not SKIPS.get():
            raise
        yield pa.record_batch([[DAMAGED], [str(error)], [""], [DAMAGED]], schema=RAW_PAIRS)


def file_by_file(files: list[Files], read: Callable[[Files], Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """The batches of several files, or sets of files, one after another.

    With several, the names of pairs begin with the number of the file, such as `2.17`.

    Raises:
        UserError: a file is damaged, unless damage is skipped; then what comes before it is kept, and a row says what
            it is.
    """
    for number, file in enumerate(files, 1):
        for batch in up_to_damage(read(file)):
            if len(files) == 1:
                yield batch
            else:
                names = pc.binary_join_element_wise(str(number), batch["pair_id"], ".")
                yield pa.record_batch([names, *batch.columns[1:]], schema=RAW_PAIRS)
