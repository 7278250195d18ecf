"""Catalogues of gettext, PO and MO: messages of programs, with contexts and plurals."""

import codecs
import re
import struct
from collections.abc import Iterator
from functools import partial
from gettext import c2py

import numpy as np
import polib
import pyarrow as pa

from weam_ray.corpus.readers.base import FUZZY, LANGUAGE, OBSOLETE, UNTRANSLATED, raw_pairs, source_files
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.languages import is_turned
from weam_ray.corpus.readers.rows import Row, in_batches
from weam_ray.errors import UserError
from weam_ray.settings.sources import GettextSource
from weam_ray.store.opening import File, open_text

MOST_BYTES = 1 << 28  # of a catalogue, which is held in memory as a whole
MO = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}  # first bytes, and the order of bytes in numbers
CHARSET = re.compile(rb'^"Content-Type:[^"\n]*charset=([\w.:-]+)', re.MULTILINE | re.IGNORECASE)
STRING = re.compile(r'(#~\s*)?(msg\w+(\[\d+\])?\s*)?"([^"\\]|\\.)*"')  # a line with a keyword, or one that goes on


class Lines(str):
    """A text whose lines end at line feeds alone; polib would end them at U+2028 and the like too."""

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self.split("\n")


@raw_pairs.register
def gettext_pairs(source: GettextSource) -> Iterator[pa.RecordBatch]:
    """The messages, named by the lines where they begin, those of MO by number; of plurals each form is a pair.

    The first form of a plural, or that of the number 1, goes with the singular, the others with the plural.

    Raises:
        UserError: a file that is no catalogue, is damaged or too large, or not in the encoding that it says.
    """
    return file_by_file(source_files(source), partial(pairs_of, source))


def pairs_of(source: GettextSource, file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file."""
    catalogue = read(file)
    turned = is_turned(("", catalogue.metadata.get("Language", "")), source.languages)
    singular = singular_form(catalogue.metadata.get("Plural-Forms", ""))
    found = (row for number, entry in enumerate(catalogue, 1) for row in rows_of(number, entry, singular))
    yield from in_batches(placed(row, turned) for row in found)


def placed(row: Row, turned: bool | None) -> Row:
    """A pair with its sides as the source has them; None: the catalogue is for another language."""
    if turned is None:
        return Row(row.pair_id, row.source, row.target, LANGUAGE)
    return Row(row.pair_id, row.target, row.source, row.problem) if turned else row


def rows_of(number: int, entry: polib.POEntry | polib.MOEntry, singular: int | None) -> Iterator[Row]:
    """The pairs of a message, of which the form `singular` of a plural is of one thing."""
    name = str(entry.linenum if isinstance(entry, polib.POEntry) else number)
    reason = OBSOLETE if entry.obsolete else FUZZY if FUZZY in entry.flags else None
    forms = [(name, entry.msgid, entry.msgstr)]
    if entry.msgid_plural:
        forms = [
            (f"{name}.{form}", entry.msgid if form == singular else entry.msgid_plural, text)
            for form, text in sorted(entry.msgstr_plural.items())
        ]
    for own, message, text in forms:
        yield Row(own, message, text, reason or (None if text.strip() else UNTRANSLATED))


def singular_form(rule: str) -> int | None:
    """Which form of a plural is that of one thing, by the rule of a catalogue; None: the language has one form."""
    found = re.fullmatch(r"\s*nplurals\s*=\s*(\d+)\s*;\s*plural\s*=([^;]*);?\s*", rule)
    if found is None:
        return 0
    if found[1] == "1":
        return None
    try:
        return c2py(found[2])(1)
    except (ValueError, ArithmeticError, RecursionError):
        return 0


def read(file: File) -> polib.POFile | polib.MOFile:
    """Read a whole catalogue.

    Raises:
        UserError: see `gettext_pairs`.
    """
    with open_text(file, any_encoding=True) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UserError(f"{file}: a catalogue of more than {MOST_BYTES:,} bytes cannot be read; split it.")
    return read_mo(file, data) if data[:4] in MO else read_po(file, data)


def read_po(file: File, data: bytes) -> polib.POFile:
    """Read a PO file from its bytes.

    Raises:
        UserError: a line that is not of a catalogue, or bytes that are not in the encoding of the header.
    """
    named = CHARSET.search(data)
    encoding = named[1].decode() if named else "utf-8"
    try:
        codecs.lookup(encoding)
    except LookupError:
        encoding = "utf-8"  # templates say CHARSET
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except (UnicodeError, LookupError) as error:
        line = data.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise UserError(f"{file}, line {line}: not text in {encoding}; convert it, and say so in its header.") from None
    for number, content in enumerate(text.split("\n"), 1):
        bare = content.strip()
        if bare.startswith(("msg", '"', "#~ msg", '#~ "')) and not STRING.fullmatch(bare):
            raise UserError(f"{file}, line {number}: not a line of a PO file; a quotation mark is missing or too many.")
    try:
        return polib.pofile(Lines(text + "\n"))
    except (OSError, ValueError) as error:
        found = re.search(r"\(line (\d+)\)(?:: (.*))?", str(error))
        place, reason = (f", line {found[1]}", found[2]) if found else ("", str(error))
        raise UserError(f"{file}{place}: not a PO file ({reason or 'this line is out of place'}).") from None


def read_mo(file: File, data: bytes) -> polib.MOFile:
    """Read an MO file from its bytes.

    Raises:
        UserError: it is damaged, or its strings are longer together than the file.
    """
    try:
        number, *tables = struct.unpack(f"{MO[data[:4]]}3I", data[8:20])
        kind = np.dtype(f"{MO[data[:4]]}u4")
        strings = [np.frombuffer(data, kind, 2 * number, table).astype(np.int64).reshape(-1, 2) for table in tables]
        sizes, starts = np.concatenate(strings).T
        if len(sizes) and max(sizes + starts) > len(data):
            raise ValueError("it ends before its strings")
        if sizes.sum() > len(data):
            raise ValueError("its strings overlap")
        return polib.mofile(data)
    except (OSError, ValueError, LookupError, struct.error) as error:
        raise UserError(f"{file}: not a whole MO file ({error}).") from None
