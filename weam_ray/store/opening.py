"""Opening files of text: plain or packed (gzip, xz, zstd, bzip2), by what they begin with, whatever they are called."""

import bz2
import codecs
import gzip
import lzma
import re
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from weam_ray.errors import Unreachable, UserError
from weam_ray.store.remote import RemoteFile
from weam_ray.store.zipped import ZipMember, names_in

File = Path | RemoteFile | ZipMember  # of what is read: on this machine, at an address, or in a zip archive

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)  # of a file, while it is read
HEAD_BYTES = 512
NAMES_SHOWN = 5
RETURNS_IN_A_LINE = 10  # more than that, on the mean, and they are line ends


def open_zstd(packed: BufferedReader) -> BufferedReader:
    """Unpack zstd, of any number of frames; one that is cut off is an OSError."""
    return BufferedReader(cast(RawIOBase, pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd")))


# name, first bytes, how to open it
PACKED: tuple[tuple[str, bytes, Callable[..., Any]], ...] = (
    ("gzip", rb"\x1f\x8b", gzip.open),
    ("xz", rb"\xfd7zXZ\x00", lzma.open),
    ("zstd", rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", open_zstd),
    ("lzma", rb"\x5d\x00\x00", lzma.open),
    ("bzip2", rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", bz2.open),
)
SUFFIXES = {".gz": "gzip", ".xz": "xz", ".zst": "zstd", ".lzma": "lzma", ".bz2": "bzip2"}

ZIP = "a zip archive"
UTF = "text in UTF-"  # 16 or 32
# first bytes, what such a file is, what to do with it
UNPACK, SAVE, CONVERT = "unpack it and name the files in it", "save it as plain text in UTF-8", "convert it to UTF-8: "
NOT_TEXT = (
    (rb".{257}ustar", "a tar archive", "unpack it (tar -xf FILE) and name the files in it"),
    (rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff", "text in UTF-32", f"{CONVERT}iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (rb"\xff\xfe|\xfe\xff", "text in UTF-16", f"{CONVERT}iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (rb"\x04\x22\x4d\x18", "a file packed by lz4", "unpack it: lz4 -d FILE"),
    (rb"\x1f\x9d", "a file packed by compress", "unpack it: gzip -d FILE"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (rb"Rar!\x1a\x07", "a rar archive", UNPACK),
    (rb"PK(\x03\x04|\x05\x06)", ZIP, f"{UNPACK}: unzip FILE"),
    (rb"%PDF-", "a PDF document", "extract its text: pdftotext FILE"),
    (rb"\{\\rtf", "an RTF document", SAVE),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document", SAVE),
    (rb"PAR1", "a Parquet file", "read it with the format `parquet`"),
    (rb"ARROW1", "an Arrow file", "write it as Parquet and read it with the format `parquet`"),
    (rb"SQLite format 3\x00", "an SQLite database", "write its pairs as TSV or Parquet"),
)
DOCUMENTS = ("word/", "xl/", "ppt/", "content.xml")  # what docx, xlsx, pptx and odt have in them as zip archives


@contextmanager
def open_text(path: File, place: Callable[[], str] = str, any_encoding: bool = False) -> Iterator[BufferedReader]:
    """Open a file of text, unpacked, as bytes.

    Args:
        place: says where in the file the reader is, such as `, after line 3`.
        any_encoding: whether text in UTF-16 and UTF-32 is opened too.

    Raises:
        UserError: the file is something else than text, or is not what its name says; or it is damaged, or cannot be
            read, which may show only while it is read.
    """
    name = ""
    try:
        with path.open("rb") as file:
            head = file.peek(HEAD_BYTES)[:HEAD_BYTES]
            found = next((entry for entry in PACKED if re.match(entry[1], head)), None)
            if found is None:
                check_text(path, head, any_encoding)
                named = SUFFIXES.get(path.suffix.lower())
                if named is not None and head:
                    raise UserError(f"{path}: not a whole {named} file, though its name ends in {path.suffix}.")
                yield file
                return
            name, _, unpack = found
            with unpack(file) as stream:
                unpacked = cast(BufferedReader, stream)
                check_text(path, unpacked.peek(HEAD_BYTES)[:HEAD_BYTES], any_encoding, inside=name)
                yield unpacked
    except UNREADABLE as error:
        what = f"not a whole {name} file" if name else "cannot be read"
        of_system = isinstance(error, OSError) and (error.errno is not None or isinstance(error, TimeoutError))
        kind = Unreachable if of_system else UserError
        raise kind(f"{path}{place()}: {what} ({error}).") from error


def text_bytes(path: Path) -> bytes:
    """Read a whole file of text, plain or packed, without a byte order mark.

    Raises:
        UserError: there is no such file, or what `open_text` and `check_line_ends` raise.
    """
    if not path.is_file():
        raise UserError(f"There is no file {str(path)!r}.")
    with open_text(path) as file:
        data = file.read()
    check_line_ends(path, data.count(b"\n"), num_lone_returns(data + b"\n"))
    return data.removeprefix(codecs.BOM_UTF8)


def check_text(path: File, head: bytes, any_encoding: bool, inside: str | None = None) -> None:
    """See that the first bytes of a file, or of what is packed `inside`, are not those of something else than text.

    Raises:
        UserError: they are; what it is, and what to do.
    """
    where = f"{path}: this is" if inside is None else f"{path}: what is packed by {inside} here is"
    first, name = ("", shlex.quote(str(path))) if inside is None else (f"unpack it by {inside}, then ", "FILE")
    for magic, what, remedy in NOT_TEXT:
        if re.match(magic, head, re.DOTALL) and not (any_encoding and what.startswith(UTF)):
            kind, advice = zip_archive(path, remedy) if what == ZIP and inside is None else (what, remedy)
            raise UserError(f"{where} {kind}; {first}{advice.replace('FILE', name)}.")
    if inside is not None and any(re.match(magic, head) for _, magic, _ in PACKED):
        raise UserError(f"{where} packed once more; unpack it by {inside}.")
    zeros = [head[side::2].count(0) / max(1, len(head) // 2) for side in (0, 1)]
    if not any_encoding and len(head) >= 16 and max(zeros) > 0.8 and min(zeros) < 0.2:
        kind = "UTF-16LE" if zeros[1] > zeros[0] else "UTF-16BE"
        raise UserError(f"{where} text in UTF-16; {first}{CONVERT}iconv -f {kind} -t UTF-8 {name} > NEW.")


def zip_archive(path: File, remedy: str) -> tuple[str, str]:
    """Say what a file is that begins as a zip archive, and what to do with it."""
    if isinstance(path, ZipMember):
        return ZIP, remedy
    try:
        names = names_in(path)
    except UserError:
        return "a damaged zip archive", "get it anew and unpack it"
    if any(name.startswith(DOCUMENTS) for name in names):
        return "an Office document", SAVE
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"a zip archive with {', '.join(names[:NAMES_SHOWN]) or 'nothing in it'}{more}", remedy


def num_lone_returns(lines: bytes) -> int:
    r"""Count the `\r` that belong to no `\r\n`, in lines of which the last is ended."""
    return lines.count(b"\r") - lines.count(b"\r\n")


def check_line_ends(path: File, num_line_feeds: int, num_returns: int) -> None:
    r"""See that the lines of a file do not end in `\r` alone, of which text has none, or one here and there.

    Raises:
        UserError: they do.
    """
    if num_returns > RETURNS_IN_A_LINE * num_line_feeds:
        raise UserError(
            f"{path}: the lines end in carriage returns alone, as on old Macs, and only a line feed ends a line here; "
            rf"unpack the file if it is packed, and convert it: tr '\r' '\n' < {shlex.quote(str(path))} > NEW."
        )
