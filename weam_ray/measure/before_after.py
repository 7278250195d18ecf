"""What pre-training changed: held-out figures of the encoder before and after it."""

from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.pipeline import Data
from weam_ray.settings.of_training import TrainingSettings


def measure(settings: TrainingSettings, data: Data, model: Path) -> dict[str, Any]:
    """The held-out figures of the encoder as it was, and as it was exported, in a task of the cluster."""
    import ray

    needed = {"num_cpus": settings.training.threads_per_worker, "num_gpus": int(settings.training.use_gpu)}
    task = ray.remote(**needed, max_retries=1)(measure_both)
    try:
        return ray.get(task.remote(settings, data, model))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise


def measure_both(settings: TrainingSettings, data: Data, model: Path) -> dict[str, Any]:
    """`before`: the encoder with its initial weights; `after`: the exported model, loaded as anyone would."""
    import torch
    from transformers import AutoModelForMaskedLM

    from weam_ray.measure.held_out import HeldOut
    from weam_ray.model.encoder import build_encoder

    torch.set_num_threads(settings.training.threads_per_worker)
    device = "cuda" if settings.training.use_gpu else "cpu"
    tokenizer = data.load_tokenizer()
    held_out = HeldOut.of(data.encoded)
    initial = build_encoder(settings.encoder, tokenizer, settings.seeds.model).to(device)
    before = held_out.measure(initial, tokenizer, settings)
    trained = AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32).to(device)
    return {"before": before, "after": held_out.measure(trained, tokenizer, settings)}
