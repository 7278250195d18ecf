"""Files inside of zip archives, read where they are: nothing is unpacked onto the disk."""

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from weam_ray.errors import Unreachable, UserError
from weam_ray.store.remote import RemoteFile

# Text becomes a third or a tenth of its size; what unpacks to far more is made to fill a machine
MOST_EXPANSION = 200  # times its packed size
FREE_BYTES = 1 << 26  # that a file may have whatever its packed size
ENCRYPTED = 1  # bit of the flags of a file in an archive
# What zipfile raises where the bytes of an archive make no sense; of OSError, seeking to a place that cannot be
DAMAGE = (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, struct.error)


@contextmanager
def as_sentence(place: object, what: str) -> Iterator[None]:
    """Raise what zipfile raises of a damaged archive as a `UserError` that says `what` is wrong; others stay theirs."""
    try:
        yield
    except UserError:  # which is a ValueError
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise Unreachable(f"{place}: cannot be read ({error.strerror}).") from error
    except DAMAGE as error:
        raise UserError(f"{place}: {what} ({error}).") from error


@dataclass(frozen=True)
class ZipMember:
    """A file inside of a zip archive."""

    archive: Path | RemoteFile
    name: str

    def __str__(self) -> str:
        return f"{self.archive}, {self.name}"

    @property
    def suffix(self) -> str:
        """What the name ends in, such as `.de`."""
        return PurePosixPath(self.name).suffix

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """Open the file for reading as bytes.

        Its length and checksum in the archive bound what is read; others show as an error while it is read.

        Raises:
            UserError: it is encrypted, packed in a way that is not known, or unpacks to far more than text does.
        """
        assert mode == "rb"
        with as_sentence(self, "cannot be unpacked"), zipfile.ZipFile(opened(self.archive)) as archive:
            entry = archive.getinfo(self.name)
            self.check(entry)
            return cast(io.BufferedReader, archive.open(entry))

    def check(self, entry: zipfile.ZipInfo) -> None:
        """See that the file may be unpacked, by what the archive says of it.

        Raises:
            UserError: it may not.
        """
        if entry.flag_bits & ENCRYPTED:
            raise UserError(f"{self}: this file is encrypted; unpack the archive and name the files in it.")
        most = max(FREE_BYTES, MOST_EXPANSION * entry.compress_size)
        if entry.file_size > most:
            raise UserError(
                f"{self}: {entry.compress_size:,} bytes would unpack to {entry.file_size:,}, and more than {most:,} "
                f"({MOST_EXPANSION} times as many, or {FREE_BYTES:,}) is no text; if it is, unpack the archive and "
                "name the files in it."
            )


def members(archive: Path | RemoteFile) -> list[ZipMember]:
    """The files of an archive, in its order.

    Raises:
        UserError: no whole zip archive, or one with names of places outside of the folder where it is unpacked.
    """
    names = names_in(archive)
    for name in names:
        if leads_outside(name):
            raise UserError(f"{archive}: {name!r} in it is a place outside of the archive; get the archive elsewhere.")
    return [ZipMember(archive, name) for name in names]


def names_in(archive: Path | RemoteFile) -> list[str]:
    """The names of the files in an archive, in its order.

    Raises:
        UserError: it cannot be read, or is no whole zip archive.
    """
    with as_sentence(archive, "not a whole zip archive"), zipfile.ZipFile(opened(archive)) as found:
        return [entry.filename for entry in found.infolist() if not entry.is_dir()]


def leads_outside(name: str) -> bool:
    """Whether the name of a file in an archive is absolute, or goes up by `..`, as Unix or as Windows reads it."""
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "" or name[1:2] == ":" or ".." in parts


def opened(archive: Path | RemoteFile) -> str | IO[bytes]:
    """What `zipfile` is given: a local archive is closed by it, a remote one with the last reader of it."""
    return str(archive) if isinstance(archive, Path) else archive.open("rb")
