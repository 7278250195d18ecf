"""Training on Ray Train: workers are started, and watched until they end."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from weam_ray.cluster.ray_private import lean_trainer
from weam_ray.errors import UserError
from weam_ray.train import checkpoint, phases
from weam_ray.train.job import ABANDONED, MISTAKE, MISTAKE_BYTES, STOP, TrainingJob, resources
from weam_ray.train.worker import train_worker


def launch(job: TrainingJob) -> bool:
    """Train on `training.num_workers` workers, from the last checkpoint where there is one; leaves `model/`.

    Returns:
        whether the training came to its end; not, where SIGTERM asked for a checkpoint and an early end, or `abandon`.

    Raises:
        UserError: the run stopped for a reason that the user can mend.
        RuntimeError: the workers failed more often than `training.max_failures`.
    """
    import ray.train

    from weam_ray.train.process_group import ProcessGroupConfig

    training = job.config.training
    phases.begin(job.folder, phases.WORKERS)
    for name in (STOP, ABANDONED):
        (job.folder / name).unlink(missing_ok=True)
    (job.folder / MISTAKE).write_text(" " * MISTAKE_BYTES, encoding="utf-8")  # a full disk must have room for it
    for note in checkpoint.latest(job.storage)[1]:
        print(note)
    trainer = lean_trainer()(
        train_worker,
        train_loop_config={"job": job},
        backend_config=ProcessGroupConfig("nccl" if training.use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=training.num_workers,
            use_gpu=training.use_gpu,
            resources_per_worker=resources(job.config),
        ),
        run_config=ray.train.RunConfig(
            name=job.storage.name,
            storage_path=str(job.storage.parent),
            worker_runtime_env={"env_vars": {"MALLOC_ARENA_MAX": "1"}},  # see keep_memory
            failure_config=ray.train.FailureConfig(max_failures=training.max_failures, controller_failure_limit=2),
        ),
    )
    try:
        with stopped_by_sigterm(job):
            trainer.fit()
    except ray.train.TrainingFailedError as error:
        if checkpoint.disk_is_full(RuntimeError(root_cause(error)), job.folder):
            raise UserError(checkpoint.full_disk(job.storage)) from None
        raise RuntimeError(f"Training failed: {root_cause(error)}") from error
    finally:
        phases.begin(job.folder, phases.NOTHING)
    mistake = (job.folder / MISTAKE).read_text(encoding="utf-8").strip()
    if mistake:
        raise UserError(mistake)
    (job.folder / MISTAKE).unlink()
    return not (job.folder / STOP).exists() or (job.folder / "model").is_dir()


@contextmanager
def stopped_by_sigterm(job: TrainingJob) -> Iterator[None]:
    """While the block runs, SIGTERM asks the workers for a checkpoint and an early end."""

    def ask(*_: Any) -> None:
        print("SIGTERM: a checkpoint, then the end", file=sys.stderr, flush=True)
        (job.folder / STOP).touch()

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread
        return
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def root_cause(error: BaseException) -> str:
    """The last line of the first worker's error."""
    failures = getattr(error, "worker_failures", None) or {}
    causes = [str(cause) for cause in failures.values()] or [str(error)]
    return causes[0].strip().splitlines()[-1]
