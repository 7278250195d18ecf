"""Training on Ray Train: workers are started, and watched until they end."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from weam_ray.cluster.ray_private import lean_trainer
from weam_ray.errors import UserError
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train import checkpoint, phases
from weam_ray.train.job import TrainingJob, resources
from weam_ray.train.phases import Phase
from weam_ray.train.waiting import told_of_waiting
from weam_ray.train.worker import train_worker


def launch(job: TrainingJob) -> bool:
    """Train on `training.num_workers` workers, from the last checkpoint where there is one, and export the model.

    Returns:
        whether the training came to its end; False if SIGTERM, or a search, asked it to end early.

    Raises:
        UserError: the run stopped for a reason that the user can mend.
        RuntimeError: the workers failed more often than `training.max_failures`.
    """
    import ray.train

    from weam_ray.train.process_group import ProcessGroupConfig

    training, folder = job.settings.training, job.folder
    phases.begin(folder, Phase.WORKERS)
    folder.prepare()
    for note in checkpoint.latest(folder.checkpoints)[1]:
        print(note)
    trainer = lean_trainer()(
        train_worker,
        train_loop_config={"job": job},
        backend_config=ProcessGroupConfig("nccl" if training.use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=training.num_workers,
            use_gpu=training.use_gpu,
            resources_per_worker=resources(training),
        ),
        run_config=ray.train.RunConfig(
            name=folder.checkpoints.name,
            storage_path=str(folder.checkpoints.parent),
            worker_runtime_env={"env_vars": {"MALLOC_ARENA_MAX": "1"}},  # see keep_memory
            failure_config=ray.train.FailureConfig(max_failures=training.max_failures, controller_failure_limit=2),
        ),
    )
    try:
        waiting = told_of_waiting(folder, training.num_workers, resources(training))
        with stopped_by_sigterm(folder), waiting:
            trainer.fit()
    except ray.train.TrainingFailedError as error:
        if checkpoint.disk_is_full(RuntimeError(root_cause(error)), folder.path):
            raise UserError(checkpoint.full_disk(folder.checkpoints)) from None
        raise RuntimeError(f"Training failed: {root_cause(error)}") from error
    finally:
        phases.begin(folder, None)
    mistake = folder.take_mistake()
    if mistake:
        raise UserError(mistake)
    return not folder.is_to_stop or folder.has_model


@contextmanager
def stopped_by_sigterm(folder: TrainingFolder) -> Iterator[None]:
    """While the block runs, SIGTERM asks the workers for a checkpoint and an early end."""

    def ask(*_: Any) -> None:
        print("SIGTERM: a checkpoint, then the end", file=sys.stderr, flush=True)
        folder.ask_to_stop()

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
