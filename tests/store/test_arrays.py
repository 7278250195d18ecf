"""Arrays shared between stages."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weam_ray.store.arrays import freeze, string_buffers


def test_frozen_arrays_cannot_be_written() -> None:
    one, two = np.zeros(2), np.arange(3)
    freeze(one, two)
    for array in (one, two):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), st.integers(0, 4), st.integers(0, 9))
def test_string_buffers(texts: list[str], offset: int, length: int) -> None:
    for strings in (
        pa.array(texts, pa.string()),
        pa.array([*texts, "x"]).filter(pa.array([True] * len(texts) + [False])),
    ):
        data, begins = string_buffers(strings.slice(offset, length))
        expected = texts[offset : offset + length]
        assert [bytes(data[a:b]).decode() for a, b in pairwise(begins)] == expected
        assert not data.flags.writeable
        assert not begins.flags.writeable


@pytest.mark.parametrize("strings", [[""], ["a", "", "天"]])
def test_string_buffers_are_no_copies(strings: list[str]) -> None:
    array = pa.array(strings, pa.string())
    data, begins = string_buffers(array)
    assert begins.tolist() == np.cumsum([0, *(len(text.encode()) for text in strings)]).tolist()
    if len(data):
        assert data.ctypes.data == array.buffers()[2].address
    assert begins.ctypes.data == array.buffers()[1].address


@pytest.mark.parametrize("buffers", [[None, None, pa.py_buffer(b"")], [None, pa.py_buffer(b""), pa.py_buffer(b"")]])
def test_empty_array_may_lack_its_offsets(buffers: list[pa.Buffer | None]) -> None:
    """Arrow's format allows it."""
    data, begins = string_buffers(pa.Array.from_buffers(pa.string(), 0, buffers))
    assert data.tolist() == []
    assert begins.tolist() == [0]
