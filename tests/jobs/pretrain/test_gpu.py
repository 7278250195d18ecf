"""What a run on GPUs says before it begins."""

from weam_ray.jobs.cost import batch_lines
from weam_ray.settings.config import load_config


def test_workers_with_gpus() -> None:
    given = ("training.num_workers=2", "training.batch_size=8", "training.threads_per_worker=3")
    for options, said in (
        (
            ("training.use_gpu=true",),
            "workers: 2 x 3 CPU threads + 1 GPU, ZeRO stage 0, fp32, torch.distributed over NCCL",
        ),
        ((), "workers: 2 x 3 CPU threads, ZeRO stage 0, fp32, torch.distributed over gloo"),
    ):
        assert said in batch_lines(load_config("bundled", [*given, *options]))
