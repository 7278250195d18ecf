"""What the device of a worker is told before it trains."""

import threading
from contextlib import AbstractContextManager, nullcontext

import torch

from weam_ray.settings.training import TrainingSection

PRODUCTS = {"fp32": "highest", "tf32": "high", "bf16": "highest"}

# held while passes are recorded, and while another thread brings a batch to the device
RECORDING = threading.Lock()


def prepare_device(settings: TrainingSection) -> None:
    """Choose the kernels of this process: of attention, and of products in float32.

    cuDNN's attention plans anew for every shape, which takes longer than a step; the other kernels do not.
    """
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.set_float32_matmul_precision(PRODUCTS[settings.precision])


def in_precision(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """In which products are made in bfloat16 from float32 weights, if that is the precision of a run."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
