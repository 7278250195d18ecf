"""One worker of a training: from the last checkpoint to the exported model."""

import uuid
from pathlib import Path
from typing import Any

from weam_ray.cluster.memory import keep_memory
from weam_ray.errors import UserError
from weam_ray.overlap.record import FILE as SEEN
from weam_ray.overlap.seen import record_bytes
from weam_ray.settings.training import TrainingSection
from weam_ray.store.provenance import FILE as PROVENANCE
from weam_ray.train import checkpoint
from weam_ray.train.job import TrainingJob
from weam_ray.train.phases import Phase


def train_worker(settings: dict[str, Any]) -> None:
    """Be one training worker: what Ray Train calls in each of its processes, with the `job` to do.

    A mistake of the user's ends all workers without a restart.
    """
    import ray.train
    import torch

    from weam_ray.train.callbacks import Phases

    job: TrainingJob = settings["job"]
    context = ray.train.get_context()
    rank, num_workers = context.get_world_rank(), context.get_world_size()
    phases = Phases(job, first=rank == 0)
    phases.begin(Phase.ENGINE)
    try:
        run_worker(job, rank, num_workers, phases)
    except UserError as error:
        if rank == 0:
            job.folder.write_mistake(str(error))
    except torch.OutOfMemoryError as error:
        sentence = too_large(job.settings.training, error)
        if num_workers > 1:
            raise RuntimeError(sentence) from error  # so that the others do not wait for this worker
        job.folder.write_mistake(sentence)
    finally:
        phases.begin(Phase.RELEASE)


def run_worker(job: TrainingJob, rank: int, num_workers: int, phases: Any) -> None:
    """Build the engine, restore it, train, and export the model."""
    import torch

    from weam_ray.batches.forms import collators
    from weam_ray.batches.loader import Batches, TrainingRows
    from weam_ray.batches.prefetch import ahead, collated
    from weam_ray.model.families import packs
    from weam_ray.train.budget import Budget
    from weam_ray.train.callbacks import Checkpoints, HeldOutFigures, Memory, Requests, Steps
    from weam_ray.train.engines.device import prepare_device
    from weam_ray.train.export import export
    from weam_ray.train.log import StepLog
    from weam_ray.train.loop import to_device, train
    from weam_ray.train.model import objective_of

    settings, training = job.settings, job.settings.training
    prepare_process(training.threads_per_worker)
    prepare_device(training)
    tokenizer = job.data.load_tokenizer()
    objective = objective_of(settings, tokenizer)
    model = objective.masked_model.model
    num_parameters = sum(parameter.numel() for parameter in model.parameters())

    start, attempt = agree(job.folder.checkpoints, rank)
    done = 0 if start is None else checkpoint.read_state(start).step
    rows = TrainingRows(job.data.encoded)
    plan = rows.plan(training, settings.seeds.data)
    collate = collators(settings, tokenizer, packs(model))
    batches = Batches(rows, plan, collate, training.micro_batch_size, rank, num_workers)
    source = collated(batches, range(done, training.max_steps), training.num_collators)
    engine = restored(job, objective, start)

    steps = Steps(StepLog(job.folder, done), job.run) if rank == 0 else None
    callbacks = [
        Requests(job),
        Memory(),
        *([steps] if steps else []),
        HeldOutFigures(job, engine, model.config, tokenizer, done, phases),
        Checkpoints(job, engine, attempt, num_parameters, phases, steps),
    ]
    try:
        phases.begin(Phase.STEPS)
        micro_batches = ahead(source, to_device(engine.device))
        budget = Budget.of(training, job.folder, done)
        last = train(engine, settings, micro_batches, done, callbacks, job.milestones.steps, budget)
    finally:
        if steps is not None:
            steps.log.close()
    if not budget.is_spent(last):
        return

    phases.begin(Phase.EXPORT)
    weights = engine.full_weights()
    if weights is not None:
        beside = {SEEN: record_bytes(job.data.seen), PROVENANCE: job.provenance.to_bytes()}
        export(weights, settings.encoder, tokenizer, beside, job.folder.model)
    torch.distributed.barrier()


def prepare_process(num_threads: int) -> None:
    """Set what holds for the whole process: its threads and its memory."""
    import torch

    torch.set_num_threads(num_threads)
    keep_memory()


def restored(job: TrainingJob, objective: Any, start: Path | None) -> Any:
    """The engine as a checkpoint left it.

    Raises:
        UserError: the checkpoint was taken over from another run, and its weights are of another shape.
    """
    from weam_ray.train.engines.deepspeed import DeepSpeedEngine

    settings = job.settings
    if start is None:
        return DeepSpeedEngine(objective, settings)
    state = checkpoint.read_state(start)
    taken_over = state.fingerprint != job.fingerprint
    try:
        if taken_over and settings.training.weights_only:
            objective.load_state_dict(checkpoint.merged_weights(start, state.zero_stage))
            return DeepSpeedEngine(objective, settings)
        engine = DeepSpeedEngine(objective, settings)
        engine.load(start)
        return engine
    except RuntimeError as error:
        if not taken_over or "state_dict" not in str(error):
            raise
        raise UserError(
            f"training.continue_from={settings.training.continue_from}: the weights do not fit this run: "
            f"{' '.join(str(error).split())[:300]}"
        ) from None


def too_large(training: TrainingSection, error: Exception) -> str:
    """The sentence for a run whose micro-batches do not fit the memory of a GPU."""
    size = training.micro_batch_size
    smaller = f"lower training.micro_batch_size ({size} now)" if size > 1 else ""
    other = "" if training.gradient_checkpointing else "set training.gradient_checkpointing=true"
    advice = ", or ".join(filter(None, (smaller, other))) or "take a smaller encoder, or a lower training.max_length"
    return f"The memory of a GPU is full: {advice}. torch says: {str(error).splitlines()[0]}"


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
