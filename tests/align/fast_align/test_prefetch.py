"""The hint to the processor: it is in the machine code, and changes no value."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from weam_ray.align.fast_align.prefetch import prefetch_row


@njit
def touch(table, rows):
    for k in range(len(rows)):
        prefetch_row(table, rows[k])


@njit
def touch_number(number, rows):
    prefetch_row(number, rows[0])


@pytest.mark.parametrize("table", [np.arange(8).reshape(4, 2), np.arange(6.0), np.arange(24.0).reshape(4, 6)[:, ::2]])
def test_changes_nothing(table: np.ndarray) -> None:
    before = table.copy()
    touch(table, np.array([0, 3, 3, 1], np.int32))
    assert (table == before).all()


def test_is_compiled_to_a_prefetch() -> None:
    touch(np.zeros((4, 2), np.int64), np.zeros(1, np.int32))
    assert all("prefetch" in code for code in touch.inspect_llvm().values())


def test_of_an_array_only() -> None:
    with pytest.raises(TypingError):
        touch_number(3.0, np.zeros(1, np.int32))
