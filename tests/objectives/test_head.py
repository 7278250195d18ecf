"""The head in chunks: the same losses and gradients as all logits at once, and no more memory than a chunk's."""

import pytest
import torch

from weam_ray.objectives import head
from weam_ray.objectives.head import chunked_losses, head_losses, padded, token_losses

ROWS, HIDDEN, WORDS = 23, 8, 101  # no multiple of 64


def case(biased: bool = True) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden, weight, bias = (
        torch.randn(*size, generator=generator) for size in ((ROWS, HIDDEN), (WORDS, HIDDEN), (WORDS,))
    )
    labels = torch.randint(WORDS, (ROWS,), generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), bias.requires_grad_() if biased else None, labels


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kept", [0, 2**40])
@pytest.mark.parametrize("chunk", [1, 5 * 128 * 4, 2**40])  # a row, five rows, all
def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch, chunk: int, kept: int, biased: bool) -> None:
    monkeypatch.setattr(head, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(head, "KEPT_BYTES", kept)
    weights = torch.linspace(0.1, 2.0, ROWS)  # as a sum over rows that count differently
    found = []
    for losses_of in (head_losses, chunked_losses):
        hidden, weight, bias, labels = case(biased)
        losses = losses_of(hidden, weight, bias, labels)
        (losses * weights).sum().backward()
        found.append([losses, hidden.grad, weight.grad, *([bias.grad] if bias is not None else [])])
    for plain, own in zip(*found, strict=True):
        torch.testing.assert_close(own, plain, rtol=1e-5, atol=1e-6)
        assert own.shape == plain.shape
        assert own.dtype == torch.float32


def test_small_ones_on_a_cpu_are_made_at_once() -> None:
    hidden, weight, bias, labels = case()
    plain = token_losses(torch.nn.functional.linear(hidden, weight, bias), labels)
    assert torch.equal(head_losses(hidden, weight, bias, labels), plain)


def test_words_that_are_added_are_never_predicted() -> None:
    _, weight, bias, _ = case()
    matrix, offsets = padded(weight.detach(), bias.detach() if bias is not None else None, torch.float32)
    assert matrix.shape == (128, HIDDEN)
    shares = torch.softmax(torch.full((3, HIDDEN), 50.0) @ matrix.t() + offsets, 1)
    assert shares[:, WORDS:].max() == 0
    assert torch.equal(matrix[:WORDS], weight)


def test_no_rows_have_no_losses() -> None:
    hidden, weight, bias, labels = case()
    losses = chunked_losses(hidden[:0], weight, bias, labels[:0])
    losses.sum().backward()
    assert len(losses) == 0
    assert weight.grad is not None
    assert weight.grad.abs().sum() == 0


def test_products_are_made_as_autocast_says_and_losses_in_float32() -> None:
    hidden, weight, bias, labels = case()
    with torch.autocast("cpu", torch.bfloat16):
        losses = chunked_losses(hidden, weight, bias, labels)
    losses.sum().backward()
    exact = head_losses(*case())
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, exact, rtol=3e-2, atol=3e-2)
    assert not torch.equal(losses, exact)
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
