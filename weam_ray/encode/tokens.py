"""Token ids and spans of raw text, and lists of them in Arrow columns."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def tokenize(tokenizer: Any, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Tokenize raw texts without special tokens: ids, character spans (start and end, flat), and each text's offset."""
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in encoded["input_ids"]])]).astype(np.int64)
    ids = np.fromiter((value for row in encoded["input_ids"] for value in row), np.int32, offsets[-1])
    spans = (value for row in encoded["offset_mapping"] for span in row for value in span)
    return ids, np.fromiter(spans, np.int32, 2 * offsets[-1]), offsets


def flat_spans(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Take the word spans out of a column, flat, and the offset of each row in words."""
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy().astype(np.int64)
    flat = array.values.to_numpy()[offsets[0] : offsets[-1]]
    return np.require(flat, requirements=["C", "W"]), (offsets - offsets[0]) // 2


def lists(values: NDArray[Any], offsets: NDArray[np.int64], kind: pa.DataType) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, kind))
