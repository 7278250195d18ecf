"""Token ids and spans of raw text, and lists of them in Arrow columns."""

import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

WORD_BOUNDARIES = ("\u2581", "\u0120")  # SentencePiece's, and that of byte-level tokenizers


def encoded_texts(tokenizer: Any, *texts: list[Any], **options: Any) -> Any:
    """Encode texts, or pairs of them, as the tokenizer itself does; special tokens stand only where it puts them.

    What looks like one in a text is text: a tokenizer whose model knows its special tokens as pieces, as Unigram does,
    has them found there; they become the unknown token.

    Args:
        tokenizer: one with `split_special_tokens`.
        texts: lists of texts, or of lists of words with `is_split_into_words`.
        options: of its call.
    """
    encoded = tokenizer(*texts, **options)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    framed = options.get("add_special_tokens", True)
    frame = tokenizer.num_special_tokens_to_add(pair=len(texts) > 1) if framed else 0
    for number, ids in enumerate(encoded["input_ids"] if tokenizer.unk_token_id is not None else ()):
        places = [place for place, token in enumerate(ids) if token in special]
        if len(places) > frame:
            put = encoded.encodings[number].special_tokens_mask
            for place in places:
                if not put[place]:
                    ids[place] = tokenizer.unk_token_id
    return encoded


def tokenize(tokenizer: Any, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Tokenize raw texts without special tokens: ids, character spans (start and end, flat), and each text's offset.

    What looks like a special token in a text is text; where the tokenizer knows no other way to write it, it is the
    unknown token. A token that is nothing but the mark of a word's beginning has an empty span.
    """
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        split_special_tokens=True,
        verbose=False,
    )
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in encoded["input_ids"]])]).astype(np.int64)
    ids = np.fromiter((value for row in encoded["input_ids"] for value in row), np.int32, offsets[-1])
    flat = (value for row in encoded["offset_mapping"] for span in row for value in span)
    spans = np.fromiter(flat, np.int32, 2 * offsets[-1])
    if tokenizer.unk_token_id is not None:
        ids[np.isin(ids, tokenizer.all_special_ids)] = tokenizer.unk_token_id
    empty_boundaries(tokenizer, texts, ids, spans, offsets)
    return ids, spans, offsets


def empty_boundaries(
    tokenizer: Any, texts: list[str], ids: NDArray[np.int32], spans: NDArray[np.int32], offsets: NDArray[np.int64]
) -> None:
    """Empty the spans of tokens that only say that a word begins.

    SentencePiece puts one of these before a text, and a first word that is known without it stands behind it as a
    token of its own: as of Chinese, Japanese and Thai. Both have the first character of the word in their span.
    """
    vocabulary = tokenizer.get_vocab()
    for mark in WORD_BOUNDARIES:
        for place in np.flatnonzero(ids == vocabulary.get(mark, -1)):
            text = texts[int(np.searchsorted(offsets, place, side="right")) - 1]
            start, end = spans[2 * place : 2 * place + 2]
            if mark not in unicodedata.normalize("NFKC", text[start:end]):  # else it is a letter of the text
                spans[2 * place + 1] = start


def flat_spans(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Take the word spans out of a column, flat, and the offset of each row in words."""
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy().astype(np.int64)
    flat = array.values.to_numpy()[offsets[0] : offsets[-1]]
    return np.require(flat, requirements=["C", "W"]), (offsets - offsets[0]) // 2


def lists(values: NDArray[Any], offsets: NDArray[np.int64], kind: pa.DataType) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, kind))
