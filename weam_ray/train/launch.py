"""Training on Ray Train: workers, checkpoints, restarts, the exported model."""

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.config import Config
from weam_ray.errors import UserError
from weam_ray.pipeline import Data

STATE = "state.json"
MISTAKE = "stopped.txt"
TRAIN_NAME = "train"
STORAGE = "checkpoints"


@dataclass(frozen=True)
class TrainingJob:
    """What a training worker is given."""

    config: Config
    data: Data
    folder: Path
    fingerprint: str


def resources(config: Config) -> dict[str, float]:
    """What one training worker reserves."""
    needed: dict[str, float] = {"CPU": config.training.threads_per_worker}
    return {**needed, "GPU": 1} if config.training.use_gpu else needed


def launch(job: TrainingJob) -> None:
    """Train on `training.num_workers` workers, from the last checkpoint where there is one; leaves `model/`.

    Raises:
        UserError: the run stopped for a reason that the user can mend.
        RuntimeError: the workers failed more often than `training.max_failures`.
    """
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer

    training = job.config.training
    (job.folder / MISTAKE).unlink(missing_ok=True)
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if training.use_gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=training.num_workers,
            use_gpu=training.use_gpu,
            resources_per_worker=resources(job.config),
        ),
        run_config=ray.train.RunConfig(
            name=TRAIN_NAME,
            storage_path=str(job.folder / STORAGE),
            failure_config=ray.train.FailureConfig(max_failures=training.max_failures, controller_failure_limit=2),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise RuntimeError(f"Training failed: {root_cause(error)}") from error
    mistake = job.folder / MISTAKE
    if mistake.is_file():
        raise UserError(mistake.read_text(encoding="utf-8"))


def root_cause(error: BaseException) -> str:
    """The last line of the first worker's error."""
    failures = getattr(error, "worker_failures", None) or {}
    causes = [str(cause) for cause in failures.values()] or [str(error)]
    return causes[0].strip().splitlines()[-1]


def train_worker(settings: dict[str, Any]) -> None:
    """One training worker. A mistake of the user's ends all workers without a restart."""
    import ray.train

    job: TrainingJob = settings["job"]
    try:
        run_worker(job)
    except UserError as error:
        if ray.train.get_context().get_world_rank() == 0:
            (job.folder / MISTAKE).write_text(str(error), encoding="utf-8")


def run_worker(job: TrainingJob) -> None:
    import ray.train
    import torch

    from weam_ray.encode.forms import collators
    from weam_ray.encoder import build_encoder
    from weam_ray.objectives.table import build_objective
    from weam_ray.train.batches import Batches, TrainingRows
    from weam_ray.train.deepspeed_engine import DeepSpeedEngine
    from weam_ray.train.log import StepLog
    from weam_ray.train.loop import StepRecord, train

    config = job.config
    # DeepSpeed compiles an operator with the ninja that stands beside this Python
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(config.training.threads_per_worker)
    tokenizer = job.data.load_tokenizer()
    model = build_encoder(config.encoder, tokenizer, config.seeds.model)
    engine = DeepSpeedEngine(build_objective(model, config.objective), config)

    done = 0
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            done = read_state(Path(folder), job, world_size)["step"]
            engine.load(folder)
    log = StepLog(job.folder, done) if rank == 0 else None

    def record(entry: StepRecord) -> None:
        if log is not None:
            log.write(entry)

    def save(step: int) -> None:
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
            engine.save(folder)
            torch.distributed.barrier()
            if rank == 0:
                state = {
                    "step": step,
                    "num_workers": world_size,
                    "zero_stage": config.training.zero_stage,
                    "fingerprint": job.fingerprint,
                }
                (Path(folder) / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
            ray.train.report({"step": step}, checkpoint=ray.train.Checkpoint.from_directory(folder))

    rows = TrainingRows(job.data.encoded)
    plan = rows.plan(config.training, config.seeds.data)
    batches = Batches(rows, plan, collators(config, tokenizer), config.training.micro_batch_size, rank, world_size)
    try:
        train(engine, config, batches.steps(done, config.training.max_steps), done, record, save)
    finally:
        if log is not None:
            log.close()
    weights = engine.full_weights()
    if weights is not None:
        export(weights, model.config, tokenizer, job.folder / "model")
    torch.distributed.barrier()


def read_state(folder: Path, job: TrainingJob, world_size: int) -> dict[str, Any]:
    """The readable part of a checkpoint.

    Raises:
        UserError: it was made by another number of workers or at another ZeRO stage.
    """
    state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    stage = job.config.training.zero_stage
    if (state["num_workers"], state["zero_stage"]) != (world_size, stage):
        raise UserError(
            f"The checkpoint of step {state['step']} was made by {state['num_workers']} workers at ZeRO stage "
            f"{state['zero_stage']}; its optimizer state cannot go on with {world_size} workers at stage {stage}. "
            "Use the same numbers, or --fresh."
        )
    return state


def export(weights: dict[str, Any], model_config: Any, tokenizer: Any, folder: Path) -> None:
    """Write a Hugging Face model folder (safetensors) that `from_pretrained` loads; whole or not at all."""
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_config(model_config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - {
        name for name, _ in model.named_parameters()
    }
    buffers = {name for name, _ in model.named_buffers()}
    assert not unexpected, unexpected
    assert set(missing) <= tied | buffers, missing
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
