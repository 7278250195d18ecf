"""The process group of the training workers, without torch in the processes that only start them."""

import os
import socket
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
from ray.train.backend import Backend, BackendConfig

TIMEOUT_SECONDS = 1_800


@dataclass
class ProcessGroupConfig(BackendConfig):
    """`backend`: gloo or nccl.

    Ray's own TorchConfig imports torch, some seconds of work, in the driver, in a trial of a search and in Ray's
    controller, none of which computes anything.
    """

    backend: str

    @property
    def backend_cls(self) -> type[Backend]:
        return ProcessGroup


class ProcessGroup(Backend):
    """Joins the workers by torch.distributed."""

    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        assert isinstance(backend_config, ProcessGroupConfig)
        address, port = worker_group.execute_single(0, address_and_port)
        ray.get(
            [
                worker_group.execute_single_async(number, join, backend_config.backend, address, port)
                for number in range(len(worker_group))
            ]
        )

    def on_shutdown(self, worker_group: Any, backend_config: BackendConfig) -> None:
        if len(worker_group) > 1:
            worker_group.execute_async(leave)


def address_and_port() -> tuple[str, int]:
    """Where the first worker listens for the others: the address of its node, and a port that is free."""
    address = ray.util.get_node_ip_address()
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return address, probe.getsockname()[1]


def join(backend: str, address: str, port: int) -> None:
    """Connect this worker; the variables are those that DeepSpeed reads."""
    from datetime import timedelta

    import torch

    context = ray.train.get_context()
    numbers = {
        "RANK": context.get_world_rank(),
        "WORLD_SIZE": context.get_world_size(),
        "LOCAL_RANK": context.get_local_rank(),
        "LOCAL_WORLD_SIZE": context.get_local_world_size(),
        "NODE_RANK": context.get_node_rank(),
        "MASTER_PORT": port,
    }
    os.environ.update({"MASTER_ADDR": address, **{name: str(value) for name, value in numbers.items()}})
    if backend == "nccl":
        os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1")
        torch.cuda.set_device(context.get_local_rank())
    torch.distributed.init_process_group(backend, timeout=timedelta(seconds=TIMEOUT_SECONDS))


def leave() -> None:
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
