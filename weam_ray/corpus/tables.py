"""The tables of the data stages, as Arrow schemas."""

import pyarrow as pa

UNPAIRED = "unpaired"  # marks files of unpaired text, whose target and target_lang are blank

PAIRS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("source_lang", pa.string()),
        ("target_lang", pa.string()),
        ("source", pa.string()),
        ("target", pa.string()),
        ("row", pa.int64()),  # of the pair in its source, from 0, the rejected counted too
    ]
)

REJECTED = PAIRS.append(pa.field("reason", pa.string()))

_SPANS = pa.list_(pa.int32())  # flat: start and end of word 0, start and end of word 1, ...
_LINKS = pa.list_(pa.int16())  # flat: i0 j0 i1 j1 ...
MAX_LINKED_TOKENS = 2**15  # of a side of a pair; a side has fewer words, at most 32,000 (corpus.max_words)

ALIGNED = pa.schema(
    [
        *PAIRS,
        ("source_words", _SPANS),
        ("target_words", _SPANS),
        ("forward_links", _LINKS),
        ("reverse_links", _LINKS),
        # for each link of the union, in (i, j) order: its posterior forward, then reverse
        ("union_posteriors", pa.list_(pa.float32())),
        ("forward_score", pa.float64()),
        ("reverse_score", pa.float64()),
    ]
)

ENCODED = pa.schema(
    [
        ("pair_id", pa.string()),
        ("source_lang", pa.string()),
        ("target_lang", pa.string()),
        ("source_ids", pa.list_(pa.int32())),
        ("target_ids", pa.list_(pa.int32())),
        ("source_word_ids", pa.list_(pa.int16())),  # word of each subword, -1 for none
        ("target_word_ids", pa.list_(pa.int16())),
        ("token_links", _LINKS),  # one-to-one
        ("num_tokens", pa.int32()),  # of both sides, without special tokens
    ]
)
