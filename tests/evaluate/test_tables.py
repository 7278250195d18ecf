"""Fingerprints of tables: of their rows, however these lie in memory."""

from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from weam_ray.evaluate.tables import earlier_table_fingerprint, same_rows, table_fingerprint

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("label", pa.int32()),
        ("answers", pa.list_(pa.string())),
        ("starts", pa.list_(pa.int32())),
    ]
)
texts, numbers = st.one_of(st.none(), st.text("ab\u00e9", max_size=3)), st.one_of(st.none(), st.integers(-2, 2))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": texts,
            "label": numbers,
            "answers": st.one_of(st.none(), st.lists(texts, max_size=2)),
            "starts": st.one_of(st.none(), st.lists(numbers, max_size=2)),
        }
    ),
    max_size=6,
)


@given(rows, st.data())
def test_cuts_change_nothing(values: list[dict[str, Any]], data: st.DataObject) -> None:
    """Slices, chunks, rows around, and what lies behind a null."""
    table = pa.Table.from_pylist(values, SCHEMA)
    places = data.draw(st.lists(st.integers(0, len(values)), max_size=3).map(sorted))
    around = pa.Table.from_pylist([*values[::-1], *values, *values], SCHEMA).slice(len(values), len(values))
    cut = pa.concat_tables([around.slice(a, b - a) for a, b in pairwise([0, *places, len(values)])])
    assert table_fingerprint(cut) == table_fingerprint(around) == table_fingerprint(table)
    known, others = table["label"].combine_chunks(), [7 if row["label"] is None else row["label"] for row in values]
    buffers = [known.buffers()[0], pa.array(others, pa.int32()).buffers()[1]]
    masked = pa.Array.from_buffers(pa.int32(), len(values), buffers)
    assert table_fingerprint(table.set_column(1, "label", masked)) == table_fingerprint(table)


@given(rows, rows)
def test_other_rows_have_others(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    found = [table_fingerprint(pa.Table.from_pylist(values, SCHEMA)) for values in (first, second)]
    assert (found[0] == found[1]) == (first == second)


def test_names_and_types_count() -> None:
    tables = [
        pa.table({"a": ["x"], "b": ["y"]}),
        pa.table({"b": ["x"], "a": ["y"]}),
        pa.table({"a": ["x"]}),
        pa.table({"a": pa.array([1], pa.int32())}),
        pa.table({"a": pa.array([1], pa.int64())}),
    ]
    assert len({table_fingerprint(table) for table in tables}) == len(tables)


def test_those_of_an_earlier_version() -> None:
    table = pa.table({"a": ["x", "y"], "b": [["1"], None]})
    assert earlier_table_fingerprint(table) == "74f71ecdaa7e738f"
    assert earlier_table_fingerprint(pa.concat_tables([table.slice(0, 1), table.slice(1)])) == "74f71ecdaa7e738f"


def test_the_same_rows_by_this_version_and_an_earlier_one() -> None:
    """Then what stands after the rows decides: labels and candidates."""
    new, old = f"arrow-{'a' * 16}", "b" * 16
    assert same_rows(new, new)
    assert not same_rows(new, f"arrow-{'c' * 16}")
    assert not same_rows(old, "c" * 16)
    assert same_rows(f"{new}12345678", f"{old}12345678")
    assert not same_rows(f"{new}12345678", f"{old}87654321")
    assert not same_rows(new, old)
    assert not same_rows(None, new)
    assert same_rows(None, None)
