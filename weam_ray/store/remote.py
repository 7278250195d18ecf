"""Files at addresses such as `s3://bucket/text.gz`, read as a `Path` is, without a copy on this machine."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import cast

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs

from weam_ray.errors import Unreachable, UserError

BUFFER_BYTES = 1 << 22  # asked for at once: a request to an object store takes long, however little it asks for


@dataclass(frozen=True)
class Status:
    """Size and time of change, under the names of `os.stat_result`; no time where the store tells none."""

    st_size: int
    st_mtime_ns: int | None


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address that Arrow (`s3`, `gs`, `hdfs`) or else fsspec knows; what is after a `?` are options."""

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def suffix(self) -> str:
        """What the name ends in, such as `.gz`."""
        return PurePosixPath(self.address.partition("?")[0]).suffix

    def resolve(self) -> "RemoteFile":
        """The file itself: an address has no links."""
        return self

    def stat(self) -> Status:
        """Look the file up.

        Raises:
            UserError: it is not there, or the place cannot be asked.
        """
        info = self._info()
        if info.type != pafs.FileType.File:
            raise UserError(f"There is no file {self.address!r}.")
        return Status(info.size, info.mtime_ns)

    def is_file(self) -> bool:
        """Whether there is such a file.

        Raises:
            UserError: the place cannot be asked.
        """
        return self._info().type == pafs.FileType.File

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open the file for reading as bytes, from any place in it.

        Raises:
            UserError: it cannot be opened.
        """
        assert mode == "rb"
        filesystem, path = place_of(self.address)
        with as_sentence(self.address):
            return io.BufferedReader(cast(io.RawIOBase, filesystem.open_input_file(path)), BUFFER_BYTES)

    def _info(self) -> pafs.FileInfo:
        filesystem, path = place_of(self.address)
        with as_sentence(self.address):
            return filesystem.get_file_info(path)


@lru_cache
def place_of(address: str) -> tuple[pafs.FileSystem, str]:
    """The filesystem of an address, and the path there.

    Raises:
        UserError: neither Arrow nor fsspec knows such addresses.
    """
    try:
        return pafs.FileSystem.from_uri(address)
    except (pa.ArrowInvalid, OSError) as of_arrow:
        try:
            filesystem, path = fsspec.core.url_to_fs(address)
        except (ValueError, ImportError, OSError) as error:
            raise UserError(f"{address}: no address that can be read ({error}; {of_arrow}).") from None
        return pafs.PyFileSystem(pafs.FSSpecHandler(filesystem)), path


def matching(pattern: str) -> list[RemoteFile]:
    """The files whose addresses match a pattern, by name; `*` and `[...]` stand for parts of names, not for folders.

    Raises:
        UserError: the place cannot be asked.
    """
    address, question, options = pattern.partition("?")
    parts = address.split("/")
    first = next(number for number, part in enumerate(parts) if re.search(r"[*[]", part))
    base = "/".join(parts[:first])
    filesystem, folder = place_of(base + question + options)
    selector = pafs.FileSelector(folder, allow_not_found=True, recursive=len(parts) > first + 1)
    with as_sentence(pattern):
        found = [info.path for info in filesystem.get_file_info(selector) if info.type == pafs.FileType.File]
    names = sorted(path.removeprefix(folder).strip("/") for path in found)
    return [
        RemoteFile(f"{base}/{name}{question}{options}") for name in names if matches(name.split("/"), parts[first:])
    ]


def matches(names: list[str], patterns: list[str]) -> bool:
    """Whether the parts of a path match a pattern part by part."""
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))


@contextmanager
def as_sentence(address: str) -> Iterator[None]:
    """Raise errors of the place as a `UserError`."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise Unreachable(f"{address}: cannot be read ({' '.join(str(error).split())}).") from error
