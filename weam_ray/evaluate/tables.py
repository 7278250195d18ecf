"""Fingerprints of tables of rows, and whether two of them are of the same rows."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.store.arrays import string_buffers

ARROW = "arrow-"  # marks a fingerprint of Arrow bytes; one without is of an earlier version
EARLIER_DIGITS = 16  # of a fingerprint of an earlier version
Hash = Callable[[pa.Table], str]


def table_fingerprint(table: pa.Table) -> str:
    """Hash the names, types and values of a table's columns, however they are cut into chunks or slices."""
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name}: {column.type}\n".encode())
        add_values(digest, column.chunks)
    return ARROW + digest.hexdigest()[:16]


def add_values(digest: Any, chunks: list[pa.Array]) -> None:
    """Hash arrays of one type as if they were one: which values are known, then their lengths and bytes.

    Bytes behind nulls and around a slice are left out, since nothing says what they are.
    """
    known = [chunk.is_valid().to_numpy(zero_copy_only=False) for chunk in chunks]
    digest.update(np.int64(sum(map(len, chunks))).tobytes())
    digest.update(np.packbits(np.concatenate([np.empty(0, np.bool_), *known])).tobytes())
    values = [chunk.drop_null() for chunk in chunks]
    for chunk in values:
        if pa.types.is_list(chunk.type):
            digest.update(pc.list_value_length(chunk).to_numpy().tobytes())
        elif pa.types.is_string(chunk.type):
            digest.update(pc.binary_length(chunk).to_numpy().tobytes())
    for chunk in values:
        if pa.types.is_string(chunk.type):
            text, begins = string_buffers(chunk)
            digest.update(text[begins[0] : begins[-1]])
        elif not pa.types.is_list(chunk.type):
            digest.update(chunk.to_numpy(zero_copy_only=False).tobytes())
    if values and pa.types.is_list(values[0].type):
        add_values(digest, [chunk.flatten() for chunk in values])


def earlier_table_fingerprint(table: pa.Table) -> str:
    """Hash a table as earlier versions did, row by row, for evaluations that they began."""
    digest = hashlib.sha256()
    for row in table.to_pylist():
        digest.update(repr(row).encode())
    return digest.hexdigest()[:EARLIER_DIGITS]


def same_data(first: str | list[str] | None, second: str | list[str] | None) -> bool:
    """Whether two systems were tested on the same data: by one fingerprint, or one for each model where they differ."""
    if isinstance(first, list) or isinstance(second, list):
        both = [own if isinstance(own, list) else [own] for own in (first, second)]
        return len(both[0]) == len(both[1]) and all(map(same_rows, *both))
    return same_rows(first, second)


def same_rows(first: str | None, second: str | None) -> bool:
    """Whether two fingerprints of test data, of this version or an earlier one, are of the same data.

    After the fingerprint of the rows stand those of the labels and of the candidates, which all versions hash alike;
    where one is of an earlier version, these are compared.
    """
    if first is None or second is None or first.startswith(ARROW) == second.startswith(ARROW):
        return first == second
    beside = [text.removeprefix(ARROW)[EARLIER_DIGITS:] for text in (first, second)]
    return beside[0] == beside[1] != ""
