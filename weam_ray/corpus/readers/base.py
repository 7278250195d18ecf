"""What all readers share: the batches they yield, and lines of text with their errors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import singledispatch
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.errors import Unreachable, UserError
from weam_ray.settings.sources import Readable
from weam_ray.store.opening import UNREADABLE, File, check_line_ends, num_lone_returns, open_text
from weam_ray.store.remote import RemoteFile

Block = TypeVar("Block")

BLOCK_BYTES = 1 << 21  # of text in memory at once; some 10,000 lines
LONGEST_LINE = 1 << 30  # in bytes; whatever is in it, it is no file of lines
LONGEST_TEXT = 1 << 20  # in bytes; whatever is in it, it is no sentence
SHOWN_BYTES = 1_000  # that are kept of a longer one

SKIPS = ContextVar("SKIPS", default=False)  # whether damage becomes a row with a problem (`corpus.on_damage`)
SURROGATE = "surrogate"
ENCODING = "encoding"
DAMAGED = "damaged"
SEPARATOR = "separator"
GLUED_SEPARATOR = "glued_separator"
COLUMNS = "columns"
TOO_LONG = "too_long"
JSON = "json"
QUOTES = "quotes"
LANGUAGE = "language"
ENTITY = "entity"
STATE = "state"
FUZZY = "fuzzy"
OBSOLETE = "obsolete"
UNTRANSLATED = "untranslated"

# Pairs as they stand in their file, before any filter; `problem` is a reader's own reason to reject a pair.
RAW_PAIRS = pa.schema(
    [("pair_id", pa.string()), ("source", pa.string()), ("target", pa.string()), ("problem", pa.string())]
)
_LINES = pa.schema([("text", pa.string()), ("problem", pa.string())])
NO_PROBLEM = pa.scalar(None, pa.string())


@singledispatch
def source_files(source: Readable) -> list[Path | RemoteFile]:
    """The files that a source is read from; by their content a stage is known.

    Raises:
        UserError: a file is missing.
    """
    raise NotImplementedError(type(source))


@singledispatch
def raw_pairs(source: Readable) -> Iterator[pa.RecordBatch]:
    """The rows of a source as they stand in its files, of the schema `RAW_PAIRS`.

    Raises:
        UserError: a file cannot be read.
    """
    raise NotImplementedError(type(source))


@singledispatch
def num_headings(source: Readable) -> int:
    """Lines before the first row that are no rows."""
    return 0


def numbers(first: int, count: int) -> pa.StringArray:
    """`first`, `first + 1`, ... as text: the names of pairs that have none of their own."""
    return pa.array(np.arange(first, first + count)).cast(pa.string())


@contextmanager
def damage_is(policy: str) -> Iterator[None]:
    """While the block runs, readers `skip` damage, or `stop` at it."""
    token = SKIPS.set(policy == "skip")
    try:
        yield
    finally:
        SKIPS.reset(token)


def before_damage(blocks: Iterator[Block]) -> Iterator[Block]:
    """What comes before damage, if that is skipped; else all.

    Raises:
        UserError: there is damage, and it is not skipped.
    """
    try:
        yield from blocks
    except UserError as error:
        if not SKIPS.get() or isinstance(error, Unreachable):
            raise


def with_those_of_lines(problems: pa.StringArray, lines: pa.RecordBatch) -> pa.StringArray:
    """The problems of what stands in lines, or else those of the lines; one that is too long has no other."""
    is_long = pc.fill_null(pc.equal(lines["problem"], TOO_LONG), False)
    return pc.if_else(is_long, TOO_LONG, pc.coalesce(problems, lines["problem"]))


def read_lines(path: File) -> Iterator[pa.RecordBatch]:
    r"""Lines of a UTF-8 file, plain or packed, without their `\n` or `\r\n`, as blocks of (text, problem).

    Only a line feed ends a line, so that line-aligned files stay aligned when the text holds other
    separators (U+2028, a form feed). A byte order mark on line 1 is dropped.

    Raises:
        UserError: bytes that are not UTF-8, a file of something else than lines of text, or a damaged packed file, with
            the file and the line.
    """
    number, num_unended, num_returns = 0, 0, 0
    buffer = bytearray()

    def place() -> str:
        lines = number + buffer.count(b"\n")
        return f", after line {lines}"

    with open_text(path, place) as file:
        damage: Exception | None = None
        while True:
            try:
                piece = file.read1(BLOCK_BYTES)
            except UNREADABLE as error:  # which `open_text` tells as a sentence
                if not SKIPS.get():
                    raise
                piece, damage = b"", error  # whole lines before it are kept
            buffer += piece
            if len(buffer) > LONGEST_LINE:
                check_line_ends(path, number, buffer.count(b"\r"))
                raise UserError(f"{path}{place()}: a line of more than {LONGEST_LINE} bytes; is this a file of lines?")
            if not piece and damage is None and buffer and not buffer.endswith(b"\n"):
                buffer += b"\n"
                num_unended = 1
            if not piece or (len(buffer) >= BLOCK_BYTES and b"\n" in piece):
                end = buffer.rfind(b"\n") + 1
                if end:
                    whole = bytes(buffer[:end])
                    num_returns += num_lone_returns(whole)
                    texts, problems = decode(split_lines(whole), path, "line", number + 1)
                    if number == 0 and texts[0].as_py().startswith("\ufeff"):
                        texts = pa.concat_arrays([pa.array([texts[0].as_py()[1:]]), texts[1:]])
                    number += len(texts)
                    yield pa.record_batch([texts, problems], schema=_LINES)
                    del buffer[:end]
            if damage is not None:
                raise damage
            if not piece:
                break
    check_line_ends(path, number - num_unended, num_returns)


def split_lines(data: bytes) -> pa.BinaryArray:
    r"""The lines of bytes of which the last is `\n`, each without its `\n` or `\r\n`."""
    characters = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    ends = ends - ((ends > starts) & (characters[ends - 1] == ord("\r")))
    return cut(characters, starts, ends)


def cut(data: NDArray[np.uint8], starts: NDArray[Any], ends: NDArray[Any]) -> pa.BinaryArray:
    """The pieces of bytes from each start to its end, which are in rising order and do not overlap."""
    bounds = pa.array(np.append(np.stack([starts, ends], axis=1), len(data)), pa.int32())
    buffers = [None, bounds.buffers()[1], pa.py_buffer(data)]
    # every second one is wanted, the others are what lies between
    return pa.Array.from_buffers(pa.binary(), 2 * len(starts), buffers).take(pa.array(np.arange(0, 2 * len(starts), 2)))


def decode(values: pa.BinaryArray, place: object, unit: str, first: int) -> tuple[pa.StringArray, pa.StringArray]:
    """UTF-8 without nulls as text, and what is wrong with each: `too_long`, `surrogate`, `encoding` or null.

    Of a text of more than LONGEST_TEXT bytes the beginning is kept. A lone surrogate (bytes ED A0..BF xx), which is no
    text, is stored as U+FFFD, and so are other bytes that are not UTF-8, where these are skipped.

    Args:
        place: the file, as a message calls it.
        unit: what a value is there, `line` or `row`; the first has the number `first`.

    Raises:
        UserError: other bytes that are not UTF-8, with the file, the line or row, and the byte, unless SKIPS.
    """
    is_long = pc.greater(pc.binary_length(values), LONGEST_TEXT)
    if pc.any(is_long).as_py():
        begins = [
            value.as_py()[:SHOWN_BYTES].decode(errors="ignore").encode() if long else value.as_py()
            for value, long in zip(values, is_long.to_pylist(), strict=True)
        ]
        texts, problems = decode(pa.array(begins, pa.binary()), place, unit, first)
        return texts, pc.if_else(is_long, TOO_LONG, problems)
    try:
        return values.cast(pa.string()), pa.nulls(len(values), pa.string())
    except pa.ArrowInvalid:
        pass  # some value is not UTF-8: look at each
    texts, problems = [], []
    for number, value in enumerate(values.to_pylist(), first):
        try:
            text = value.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            if not SKIPS.get():
                raise UserError(
                    f"{place}, {unit} {number}: byte {error.start + 1} of the {unit}, 0x{value[error.start]:02x}, is "
                    "not UTF-8; convert the file to UTF-8, or leave such rows out with corpus.on_damage=skip."
                ) from error
            texts.append(value.decode("utf-8", "replace"))
            problems.append(ENCODING)
            continue
        text, num_surrogates = re.subn("[\ud800-\udfff]", "\ufffd", text)
        texts.append(text)
        problems.append(SURROGATE if num_surrogates else None)
    return pa.array(texts, pa.string()), pa.array(problems, pa.string())
