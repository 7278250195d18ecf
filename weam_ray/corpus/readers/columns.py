"""Tables of Arrow: a column of text for each side, or a field of a struct column."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.corpus.readers.base import RAW_PAIRS, decode, numbers
from weam_ray.errors import UserError
from weam_ray.settings.sources import DEFAULT_COLUMNS, NamedColumns

BATCH_ROWS = 10_000

Column = tuple[str, ...]  # its name, and that of a field where it is a struct


def pairs_of_columns(
    source: NamedColumns, wanted: list[Column], batches: Iterator[pa.RecordBatch], place: object
) -> Iterator[pa.RecordBatch]:
    """The pairs of batches with the columns `wanted` of source and target.

    Raises:
        UserError: `place`, from which the batches come, is damaged, or has text that is not UTF-8.
    """
    row = 0
    while True:
        try:
            batch = next(batches, None)
            ids = batch[source.id_column].to_pylist() if batch is not None and source.id_column else None
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise UserError(f"{place}, after row {row}: damaged ({error}).") from error
        if batch is None:
            return
        texts = [pc.fill_null(values_of(batch, column).cast(pa.binary()), b"") for column in wanted]
        sides, problems = zip(*(decode(text, place, "row", row + 1) for text in texts), strict=True)
        names = numbers(row + 1, batch.num_rows)
        if ids is not None:
            names = pc.coalesce(pa.array([None if name is None else str(name) for name in ids], pa.string()), names)
        yield pa.record_batch([names, *sides, pc.coalesce(*problems)], schema=RAW_PAIRS)
        row += batch.num_rows


def names_of(source: NamedColumns, wanted: list[Column]) -> list[str]:
    """The columns to read, as Arrow names them, each once."""
    names = [".".join(column) for column in wanted] + ([source.id_column] if source.id_column else [])
    return [*dict.fromkeys(names)]


def columns_of(source: NamedColumns, place: object, schema: pa.Schema) -> list[Column]:
    """Where the source and the target are; `place` is the file, or what else has the schema.

    Raises:
        UserError: a column is missing, or does not hold text.
    """
    if source.id_column is not None:
        check_unique(place, schema, source.id_column)
        if source.id_column not in schema.names:
            raise UserError(f"{place}: no column {source.id_column!r}; there are {described(schema)}.")
    names = source.columns
    if names == DEFAULT_COLUMNS and not set(names) & set(schema.names):
        structs = [field.name for field in schema if set(source.languages) <= set(fields_of(field.type))]
        if len(structs) == 1:
            names = f"{structs[0]}.{source.source_lang}", f"{structs[0]}.{source.target_lang}"
    return [text_column(place, schema, name) for name in names]


def text_column(place: object, schema: pa.Schema, name: str) -> Column:
    """Where the text of a name is: a column of that name, or the field that stands after its last dot.

    Raises:
        UserError: there is none, or it does not hold text.
    """
    struct, _, field = name.rpartition(".")
    for column in (name, struct):
        check_unique(place, schema, column)
    if name in schema.names:
        found: Column = (name,)
        kind = schema.field(name).type
    elif struct in schema.names and field in fields_of(schema.field(struct).type):
        found = (struct, field)
        kind = schema.field(struct).type.field(field).type
    else:
        raise UserError(f"{place}: no column {name!r}; there are {described(schema)}.")
    if not is_text(kind):
        raise UserError(f"{place}: column {name!r} holds {kind}, not text.")
    return found


def check_unique(place: object, schema: pa.Schema, name: str) -> None:
    """See that no two columns have a name that is asked for.

    Raises:
        UserError: they have.
    """
    number = schema.names.count(name)
    if number > 1:
        raise UserError(f"{place}: {number} columns are called {name!r}; give them other names.")


def fields_of(kind: pa.DataType) -> list[str]:
    """The names of the fields of a struct; none of another type."""
    return [field.name for field in kind] if pa.types.is_struct(kind) else []


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are strings, or bytes, which are read as UTF-8; encoded as a dictionary or not."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts = pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()
    return kind in texts


def values_of(batch: pa.RecordBatch, column: Column) -> pa.Array:
    """The values of a column, or of a field of a struct column."""
    values = batch[column[0]]
    return pc.struct_field(values, list(column[1:])) if len(column) > 1 else values


def described(schema: pa.Schema) -> str:
    """The columns of a file, with the fields of structs."""
    return ", ".join(
        ", ".join(f"{field.name}.{inner}" for inner in fields_of(field.type)) or field.name for field in schema
    )
