"""The plain engine, without DeepSpeed."""

import torch

from weam_ray.settings.training import OptimizerSection
from weam_ray.train.engines.bare import BareEngine


class Product(torch.nn.Module):
    """Its gradient is what it is given, by a product."""

    parts = ("loss",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, 1))

    def forward(self, given: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        product = torch.nn.functional.linear(given, self.weight)
        assert product.dtype == torch.bfloat16
        return product.sum(), torch.zeros(1)


def test_micro_batches_add_up_in_float32_though_products_are_bfloat16() -> None:
    """1 and three times 2^-10: to bfloat16, which has 8 bits, their sum is 1."""
    engine = BareEngine(Product(), OptimizerSection(learning_rate=1.0, max_gradient_norm=0), precision="bf16")
    for value in (1.0, *[2.0**-10] * 3):
        loss, _ = engine.forward([torch.tensor([[value]])], step=1)
        engine.backward(loss)
    assert engine.objective.weight.grad.dtype == torch.float32
    assert engine.norm().item() == 1 + 3 * 2**-10
