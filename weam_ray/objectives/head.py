"""Cross entropy of a head's predictions without the matrix of all logits in float32.

The logits of a large vocabulary are the largest tensors of a step. Here they are made and used by chunks of rows, the
head's matrix is padded to a multiple of 64 words so that the products run on kernels of whole tiles, and losses and
gradient are both made from the softmax of the logits. The padding exists in the copy that is multiplied alone: weights,
checkpoints and exported models know nothing of it.
"""

from typing import Any

import torch
from torch.nn.functional import cross_entropy, linear

WORDS_MULTIPLE = 64
CHUNK_BYTES = 2 * 2**30  # of float32 logits at a time
KEPT_BYTES = 4 * 2**30  # of shares that wait for the backward pass; above that they are computed twice
PLAIN_LOGITS = 2**28  # up to as many on a CPU, all logits are made at once


def head_losses(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor
) -> torch.Tensor:
    """(R,) cross entropy of each row of `hidden @ weight.T + bias`, in float32 or wider.

    Args:
        hidden: (R, hidden) states.
        weight: (vocabulary, hidden).
        bias: (vocabulary,), or None.
        labels: (R,) the words that are right.
    """
    if hidden.device.type == "cpu" and hidden.shape[0] * weight.shape[0] <= PLAIN_LOGITS:
        return token_losses(linear(hidden, weight, bias), labels)
    return chunked_losses(hidden, weight, bias, labels)


def token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(R,) cross entropy of each row of logits, in float32 or wider."""
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    return cross_entropy(logits, labels, reduction="none")


def chunked_losses(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, labels: torch.Tensor
) -> torch.Tensor:
    """`head_losses` by chunks, whatever the size. Products are made in the type that autocast asks for, if it does.

    A loss is the logarithm of a share in that type: in bfloat16 it is exact to 0.004 nats for each row, without a
    bias, and none is above 87 nats.
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    with torch.autocast(kind, enabled=False):
        losses: torch.Tensor = ChunkedLosses.apply(hidden, weight, bias, labels, dtype)
    return losses


class ChunkedLosses(torch.autograd.Function):
    """The arithmetic of `chunked_losses` in both directions."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        labels: torch.Tensor,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        matrix, offsets = padded(weight, bias, dtype)
        states = hidden.to(dtype)
        losses = torch.empty(len(states), dtype=torch.promote_types(dtype, torch.float32), device=states.device)
        keeps = len(states) * len(matrix) * dtype.itemsize <= KEPT_BYTES
        kept = []
        for rows in chunks(len(states), len(matrix)):
            logits = torch.addmm(offsets, states[rows], matrix.t())
            shares = torch.softmax(logits, 1)
            right = shares.gather(1, labels[rows, None])[:, 0].to(losses.dtype)
            losses[rows] = -right.clamp(min=torch.finfo(right.dtype).tiny).log()
            if keeps:
                kept.append(shares)
        ctx.save_for_backward(states, matrix, offsets, labels, *kept)
        ctx.shape, ctx.types, ctx.biased = weight.shape, (hidden.dtype, weight.dtype), bias is not None
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        states, matrix, offsets, labels, *kept = ctx.saved_tensors
        (gradient,) = gradients
        hidden_type, weight_type = ctx.types
        of_states = torch.empty(states.shape, dtype=hidden_type, device=states.device)
        of_matrix = torch.zeros(0, dtype=weight_type, device=states.device)
        of_offsets = torch.zeros(len(matrix), dtype=weight_type, device=states.device)
        for number, rows in enumerate(chunks(len(states), len(matrix))):
            shares = kept[number] if kept else torch.softmax(torch.addmm(offsets, states[rows], matrix.t()), 1)
            shares[torch.arange(len(shares), device=shares.device), labels[rows]] -= 1
            scale = gradient[rows, None]
            of_states[rows] = (shares @ matrix).to(hidden_type) * scale.to(hidden_type)
            scaled = (states[rows] * scale).to(states.dtype)
            product = (shares.t() @ scaled).to(weight_type)
            of_matrix = of_matrix.add_(product) if number else product
            if ctx.biased:
                of_offsets += torch.mv(shares.t(), gradient[rows].to(shares.dtype))
        words = ctx.shape[0]
        of_weight = of_matrix[:words] if len(states) else of_matrix.new_zeros(ctx.shape)
        return of_states, of_weight, of_offsets[:words] if ctx.biased else None, None, None


def most_bytes(rows: int, words: int, width: int, on_gpu: bool) -> int:
    """About how many bytes `head_losses` takes at most for so many rows, whose products have `width` bytes a number."""
    if not on_gpu and rows * words <= PLAIN_LOGITS:
        return 2 * rows * words * 4  # the logits and their gradient
    all_logits = rows * words * width
    chunk = min(rows * words * 4, CHUNK_BYTES)
    # of a chunk its logits, and each word's share of them
    return chunk * 2 * width // 4 + min(all_logits, KEPT_BYTES)  # a smaller batch may keep them all


def padded(weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """The head's matrix and bias in a type, with words added up to a multiple of WORDS_MULTIPLE.

    The added words have zero weights and a bias of minus infinity, so that their share of the softmax is zero.
    """
    words, hidden = weight.shape
    total = -(-words // WORDS_MULTIPLE) * WORDS_MULTIPLE
    matrix = torch.zeros(total, hidden, dtype=dtype, device=weight.device)
    matrix[:words] = weight
    offsets = torch.full((total,), -torch.inf, dtype=dtype, device=weight.device)
    offsets[:words] = 0.0 if bias is None else bias
    return matrix, offsets


def chunks(rows: int, words: int) -> list[slice]:
    """Rows cut into pieces of about equal size whose float32 logits take at most CHUNK_BYTES."""
    number = max(1, -(-rows * words * 4 // CHUNK_BYTES))
    size = max(1, -(-rows // number))
    return [slice(begin, min(rows, begin + size)) for begin in range(0, rows, size)]
