"""Sentence vectors: mean-pooled states of one layer, each sentence encoded alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from weam_ray.encode.tokenizer import SentenceTemplate
from weam_ray.errors import UserError


def check_layer(model: Any, layer: int) -> None:
    """See that the encoder has a layer.

    Raises:
        UserError: it has not.
    """
    layers = model.config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise UserError(f"evaluation.layer={layer}: the encoder has layers 0 (embeddings) to {layers}.")


def default_layer(config: Any) -> int:
    """The layer two thirds of the way up, 8 of 12, as XTREME's script takes of mBERT for retrieval without training."""
    return math.ceil(config.num_hidden_layers * 2 / 3)


@torch.no_grad()
def sentence_vectors(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[NDArray[np.int32]],
    layer: int,
    max_length: int,
    batch_size: int,
) -> NDArray[np.float32]:
    """(sentences, hidden) means of the states of a layer over a sentence's own tokens, special tokens left out.

    Args:
        sentences: token ids without special tokens; cut to `max_length` with them.
        layer: 0 is the embeddings, -1 the last layer.
    """
    template = SentenceTemplate.of(tokenizer)
    prefix, suffix = template.prefix.tolist(), template.suffix.tolist()
    room = max_length - template.num_special
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    encoder, device = model.base_model, next(model.parameters()).device
    model.eval()
    result = np.empty((len(sentences), model.config.hidden_size), np.float32)
    by_length = np.argsort([len(ids) for ids in sentences], kind="stable")
    for start in range(0, len(by_length), batch_size):
        chosen = by_length[start : start + batch_size]
        rows = [[*prefix, *sentences[number][:room].tolist(), *suffix] for number in chosen]
        length = max(len(row) for row in rows)
        ids = torch.tensor([row + [pad_id] * (length - len(row)) for row in rows], device=device)
        sizes = torch.tensor([len(row) for row in rows], device=device)[:, None]
        positions = torch.arange(length, device=device)[None, :]
        states = encoder(
            input_ids=ids, attention_mask=(positions < sizes).long(), output_hidden_states=True
        ).hidden_states[layer]
        own = ((positions >= len(prefix)) & (positions < sizes - len(suffix))).to(states.dtype)[:, :, None]
        result[chosen] = ((states * own).sum(1) / own.sum(1).clamp(min=1)).float().cpu().numpy()
    return result
