"""Held-out figures of the encoder before and after pre-training."""

from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.pipeline import Data
from weam_ray.settings.config import Config


def measure(config: Config, data: Data, model: Path) -> dict[str, Any]:
    """Measure the initial and the exported encoder on the held-out rows, in a task of the cluster.

    Raises:
        UserError: raised in the task, passed on as it is.
    """
    import ray

    needed = {"num_cpus": config.training.threads_per_worker, "num_gpus": int(config.training.use_gpu)}
    task = ray.remote(**needed, max_retries=1)(measure_both)
    try:
        return ray.get(task.remote(config, data, model))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise


def measure_both(config: Config, data: Data, model: Path) -> dict[str, Any]:
    """Measure the encoder with its initial weights, `before`, and the exported model as anyone loads it, `after`."""
    import torch
    from transformers import AutoModelForMaskedLM

    from weam_ray.measure.held_out import HeldOut
    from weam_ray.model.encoder import build_encoder

    torch.set_num_threads(config.training.threads_per_worker)
    device = "cuda" if config.training.use_gpu else "cpu"
    tokenizer = data.load_tokenizer()
    held_out = HeldOut.of(data.encoded)
    initial = build_encoder(config.encoder, tokenizer, config.seeds.model).to(device)
    before = held_out.measure(initial, tokenizer, config)
    trained = AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32).to(device)
    return {"before": before, "after": held_out.measure(trained, tokenizer, config)}
