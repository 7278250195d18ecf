"""OPUS: the zip archive of a corpus in Moses form, `NAME.de-en.de` and `NAME.de-en.en` beside README and LICENSE."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from weam_ray.corpus.readers.base import raw_pairs, source_files
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.languages import alike, normal
from weam_ray.corpus.readers.moses import line_by_line
from weam_ray.errors import UserError
from weam_ray.settings.sources import OpusSource
from weam_ray.store.remote import RemoteFile
from weam_ray.store.zipped import ZipMember, members


@raw_pairs.register
def opus_pairs(source: OpusSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by line.

    Raises:
        UserError: an archive is damaged or may not be unpacked, or lacks a file; the files differ in their lines.
    """
    sides = [two_sides(source, archive) for archive in source_files(source)]
    return file_by_file(sides, line_by_line)


def two_sides(source: OpusSource, archive: Path | RemoteFile) -> tuple[ZipMember, ZipMember]:
    """The files of source and target in an archive.

    Raises:
        UserError: there is none of a language, or several.
    """
    found = members(archive)
    left, right = (of_language(archive, found, language) for language in source.languages)
    if left == right:
        raise UserError(f"{left}: this file would be both sides; say the languages as the archive does.")
    return left, right


def of_language(archive: Path | RemoteFile, found: list[ZipMember], language: str) -> ZipMember:
    """The file of an archive whose name ends in the code of a language: an equal one, else one that is alike.

    Raises:
        UserError: there is none, or several.
    """
    codes = {member: member.suffix.removeprefix(".") for member in found}
    equal = [member for member, code in codes.items() if normal(code) == normal(language)]
    fitting = equal or [member for member, code in codes.items() if code and alike(code, language)]
    if len(fitting) != 1:
        names = ", ".join(member.name for member in fitting or found) or "none"
        if fitting:
            raise UserError(f"{archive}: {len(fitting)} files in it end in .{language}: {names}.")
        raise UserError(f"{archive}: no file in it ends in .{language}; there are {names}.")
    return fitting[0]
