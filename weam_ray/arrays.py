"""Arrays that several stages share: read-only, and without copies."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def freeze(*arrays: NDArray[Any]) -> None:
    """Make arrays read-only, as those are that come from a shared store, so that kernels are compiled for one kind."""
    for array in arrays:
        array.flags.writeable = False


def string_buffers(strings: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The bytes of an Arrow string array, and where each string begins and the last one ends; no copy."""
    _, offsets, data = strings.buffers()
    if len(strings):
        begins = np.frombuffer(offsets, np.int32)[strings.offset : strings.offset + len(strings) + 1]
    else:  # an empty array may lack its offsets
        begins = np.zeros(1, np.int32)
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    freeze(begins, text)
    return text, begins
