"""One worker of a training: from the last checkpoint to the exported model."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weam_ray.cluster.memory import keep_memory
from weam_ray.errors import UserError
from weam_ray.train import checkpoint, phases
from weam_ray.train.job import ABANDONED, MISTAKE, STOP, TrainingJob
from weam_ray.train.metrics import step_done
from weam_ray.train.milestones import Measurer


def train_worker(settings: dict[str, Any]) -> None:
    """One training worker. A mistake of the user's ends all workers without a restart."""
    import ray.train

    job: TrainingJob = settings["job"]
    first = ray.train.get_context().get_world_rank() == 0

    def phase(name: str) -> None:
        if first:
            phases.begin(job.folder, name)

    phase(phases.ENGINE)
    try:
        run_worker(job, phase)
    except UserError as error:
        if first:
            with (job.folder / MISTAKE).open("r+", encoding="utf-8") as file:
                file.write(str(error))
    finally:
        phase(phases.RELEASE)


def run_worker(job: TrainingJob, phase: Callable[[str], None]) -> None:
    """`phase` notes what begins."""
    import ray.train
    import torch

    from weam_ray.batches.forms import collators
    from weam_ray.batches.loader import Batches, TrainingRows
    from weam_ray.model.families import packs
    from weam_ray.train.engines.device import prepare_device
    from weam_ray.train.export import export
    from weam_ray.train.log import StepLog
    from weam_ray.train.loop import StepRecord, ahead, train
    from weam_ray.train.model import objective_of
    from weam_ray.train.saving import Saver

    config = job.config
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(config.training.threads_per_worker)
    keep_memory()
    prepare_device(config.training)
    tokenizer = job.data.load_tokenizer()
    objective = objective_of(config, tokenizer)
    model = objective.masked_model.model
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    start, attempt = agree(job.storage, rank)
    engine, done = restored(job, objective, start)
    log = StepLog(job.folder, done) if rank == 0 else None

    unwritten: list[OSError] = []  # what a full disk did to the log

    def record(entry: StepRecord) -> None:
        try:
            if log is not None and not unwritten:
                log.write(entry)
                step_done(entry, job.run)
        except OSError as error:
            unwritten.append(error)

    def stop() -> bool:
        return bool(unwritten) or (job.folder / STOP).exists()

    def abandoned() -> bool:
        return (job.folder / ABANDONED).exists()

    def check() -> None:
        if unwritten:
            raise unwritten[0]

    measure = Measurer(job, engine, model.config, tokenizer, done, phase)
    save = Saver(
        engine, job.storage, attempt, config, job.fingerprint, num_parameters, check, measure, abandoned, phase
    )
    also = frozenset(job.milestones.steps if job.milestones else ())
    rows = TrainingRows(job.data.encoded)
    plan = rows.plan(config.training, config.seeds.data)
    collate = collators(config, tokenizer, packs(model))
    finish = ahead(engine.device)
    batches = Batches(rows, plan, collate, config.training.micro_batch_size, rank, world_size, finish)
    try:
        steps = batches.steps(done, config.training.max_steps)
        phase(phases.STEPS)
        last = train(engine, config, steps, done, record, save, stop, also)
    finally:
        if log is not None:
            log.close()
    if last < config.training.max_steps:
        return
    phase(phases.EXPORT)
    weights = engine.full_weights()
    if weights is not None:
        export(weights, model.config, tokenizer, job.folder / "model")
    torch.distributed.barrier()


def restored(job: TrainingJob, objective: Any, start: Path | None) -> tuple[Any, int]:
    """The engine as a checkpoint left it, and the steps done.

    Raises:
        UserError: the checkpoint was taken over from another run, and its weights are of another shape.
    """
    from weam_ray.train.engines.deepspeed import DeepSpeedEngine

    config = job.config
    if start is None:
        return DeepSpeedEngine(objective, config), 0
    state = checkpoint.read_state(start)
    taken_over = state.fingerprint != job.fingerprint
    try:
        if taken_over and config.training.weights_only:
            objective.load_state_dict(checkpoint.merged_weights(start, state.zero_stage))
            return DeepSpeedEngine(objective, config), state.step
        engine = DeepSpeedEngine(objective, config)
        engine.load(start)
        return engine, state.step
    except RuntimeError as error:
        if not taken_over or "state_dict" not in str(error):
            raise
        raise UserError(
            f"training.continue_from={config.training.continue_from}: the weights do not fit this run: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None


def agree(storage: Path, rank: int) -> tuple[Path | None, str]:
    """The checkpoint to go on from, and a name for this attempt; the first worker chooses for all."""
    import torch

    chosen: list[Any] = [None, None]
    if rank == 0:
        start, _ = checkpoint.latest(storage)
        checkpoint.sweep(storage)
        chosen = [start, uuid.uuid4().hex[:8]]
    torch.distributed.broadcast_object_list(chosen)
    return chosen[0], chosen[1]
