"""What a training on GPUs asks of Ray and of torch, with stand-ins for both."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from weam_ray.settings.config import load_config
from weam_ray.store.provenance import Provenance
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.job import TrainingJob
from weam_ray.train.launch import launch
from weam_ray.train.process_group import ProcessGroup, ProcessGroupConfig, join

GPU = ("training.num_workers=2", "training.batch_size=8", "training.threads_per_worker=3", "training.use_gpu=true")


@pytest.mark.parametrize("use_gpu", [True, False])
def test_what_is_asked_of_ray_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_gpu: bool) -> None:
    """With GPUs, one for each worker beside its cores, and NCCL between them."""
    asked: dict[str, Any] = {}

    class Trainer:
        def __init__(self, worker: Any, **options: Any) -> None:
            asked.update(options)

        def fit(self) -> None: ...

    monkeypatch.setattr("weam_ray.train.launch.lean_trainer", lambda: Trainer)
    config = load_config("bundled", GPU if use_gpu else GPU[:-1])
    assert launch(
        TrainingJob(
            config.of_training(), SimpleNamespace(), TrainingFolder(tmp_path), "fingerprint", "run", Provenance({}, {})
        )
    )
    assert asked["backend_config"] == ProcessGroupConfig("nccl" if use_gpu else "gloo")
    scaling = asked["scaling_config"]
    assert (scaling.num_workers, scaling.use_gpu) == (2, use_gpu)
    assert scaling.resources_per_worker == {"CPU": 3, **({"GPU": 1} if use_gpu else {})}
    assert scaling.num_gpus_per_worker == int(use_gpu)


class TestProcessGroup:
    @pytest.fixture
    def environ(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """The environment of the worker, empty before."""
        environ: dict[str, str] = {}
        monkeypatch.setattr("weam_ray.train.process_group.os", SimpleNamespace(environ=environ))
        return environ

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
        """What torch is asked by the second of two workers on the second node, whose GPU there is the first."""
        made: list[tuple[Any, ...]] = []
        numbers = {"world_rank": 3, "world_size": 4, "local_rank": 1, "local_world_size": 2, "node_rank": 1}
        context = SimpleNamespace(**{f"get_{name}": lambda value=value: value for name, value in numbers.items()})
        monkeypatch.setattr("ray.train.get_context", lambda: context)
        monkeypatch.setattr(torch.cuda, "set_device", lambda device: made.append(("device", device)))
        monkeypatch.setattr(
            torch.distributed, "init_process_group", lambda backend, timeout: made.append(("group", backend))
        )
        return made

    def test_nccl(self, calls: list[tuple[Any, ...]], environ: dict[str, str]) -> None:
        """The device comes first: NCCL takes the current one."""
        join("nccl", "10.0.0.1", 1234)
        assert calls == [("device", 1), ("group", "nccl")]
        assert environ == {
            "MASTER_ADDR": "10.0.0.1",
            "MASTER_PORT": "1234",
            "RANK": "3",
            "WORLD_SIZE": "4",
            "LOCAL_RANK": "1",
            "LOCAL_WORLD_SIZE": "2",
            "NODE_RANK": "1",
            "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        }

    def test_gloo(self, calls: list[tuple[Any, ...]], environ: dict[str, str]) -> None:
        join("gloo", "10.0.0.1", 1234)
        assert calls == [("group", "gloo")]
        assert "TORCH_NCCL_ASYNC_ERROR_HANDLING" not in environ

    def test_workers_of_a_node_see_each_others_gpus(self) -> None:
        """So that the local rank is the number of a worker's own."""
        assert ProcessGroup.share_cuda_visible_devices
