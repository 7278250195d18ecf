"""JSON lines: an object on each line, of which two keys hold the texts."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from weam_ray.corpus.readers.base import COLUMNS, JSON, TOO_LONG, raw_pairs, read_lines, source_files
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.languages import found_among
from weam_ray.corpus.readers.rows import Row, in_batches
from weam_ray.errors import UserError
from weam_ray.settings.sources import DEFAULT_COLUMNS, JsonlSource
from weam_ray.store.opening import File

STRUCT = "translation"  # the key of the object with the languages, as data sets of the hub have it

Keys = tuple[str, ...]  # from the object on a line inwards


@raw_pairs.register
def jsonl_pairs(source: JsonlSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by line.

    Raises:
        UserError: a file of which no line has the keys.
    """
    return file_by_file(source_files(source), partial(pairs_of, source))


def pairs_of(source: JsonlSource, file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file.

    Raises:
        UserError: no line has the keys.
    """
    yield from in_batches(rows_of(source, file))


def rows_of(source: JsonlSource, file: File) -> Iterator[Row]:
    """The pairs of one file, one by one.

    Raises:
        UserError: no line has the keys.
    """
    keys: list[Keys] = []
    first: dict[str, Any] | None = None
    number, num_good = 0, 0
    for lines in read_lines(file):
        for text, problem in zip(lines["text"].to_pylist(), lines["problem"].to_pylist(), strict=True):
            number += 1
            entry = None if problem == TOO_LONG else object_of(text)
            if entry is None:
                blank = not text.strip()  # which is a reason of its own
                yield Row(str(number), text, "", problem or (None if blank else JSON))
                continue
            if first is None:
                first, keys = entry, keys_of(source, entry)
            texts = [value_at(entry, own) for own in keys]
            if None in texts:
                yield Row(str(number), texts[0] or "", texts[1] or "", problem or COLUMNS)
                continue
            num_good += 1
            name = entry.get(source.id_column) if source.id_column else None
            yield Row(str(number) if name is None else str(name), str(texts[0]), str(texts[1]), problem)
    if first is not None and not num_good:
        raise UserError(
            f"{file}: no line has texts under the keys {' and '.join('.'.join(own) for own in keys)}; the first object "
            f"has {', '.join(described(first)) or 'none'}."
        )


def object_of(line: str) -> dict[str, Any] | None:
    """The object on a line, if there is one."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def keys_of(source: JsonlSource, first: dict[str, Any]) -> list[Keys]:
    """Where source and target are, as the first object of a file has them."""
    if source.columns == DEFAULT_COLUMNS and not {*DEFAULT_COLUMNS} & {*first}:
        for outer in ((), (STRUCT,)):
            inner = value_inside(first, outer)
            names = tuple(inner) if isinstance(inner, dict) else ()
            left, right = found_among(names, source.languages)
            if left is not None and right is not None:
                return [(*outer, names[left]), (*outer, names[right])]
    return [(name,) if name in first else tuple(name.split(".")) for name in source.columns]


def value_at(entry: dict[str, Any], keys: Keys) -> str | None:
    """The text under some keys, a blank one for null; None if there is no text."""
    outer = value_inside(entry, keys[:-1])
    if not isinstance(outer, dict) or keys[-1] not in outer:
        return None
    found = outer[keys[-1]]
    return "" if found is None else found if isinstance(found, str) else None


def value_inside(entry: Any, keys: Keys) -> Any:
    """What is under some keys, one inside of the other; None if there is nothing."""
    for key in keys:
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry


def described(entry: dict[str, Any]) -> Iterator[str]:
    """The keys of an object, with those of objects in it."""
    for key, value in entry.items():
        yield from (f"{key}.{inner}" for inner in value) if isinstance(value, dict) and value else [key]
