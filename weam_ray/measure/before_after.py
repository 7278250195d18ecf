"""Held-out figures of the encoder before and after pre-training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.pipeline import Data
from weam_ray.settings.of_training import TrainingSettings


def measure(settings: TrainingSettings, data: Data, model: Path) -> dict[str, Any]:
    """Measure the initial and the exported encoder on the held-out rows, in a task of the cluster.

    Raises:
        UserError: raised in the task, passed on as it is.
    """
    found: dict[str, Any] = on_the_device(settings, measure_both, settings, data, model)
    return found


def on_the_device(settings: TrainingSettings, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a task of the cluster that has what a training worker has of its node.

    Raises:
        UserError: raised in the task, passed on as it is.
    """
    import ray

    needed = {"num_cpus": settings.training.threads_per_worker, "num_gpus": int(settings.training.use_gpu)}
    task = ray.remote(**needed, max_retries=1)(function)
    try:
        return ray.get(task.remote(*arguments))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, UserError):
            raise error.cause from None
        raise


def measure_both(settings: TrainingSettings, data: Data, model: Path) -> dict[str, Any]:
    """Measure the encoder with its initial weights, `before`, and the exported model as anyone loads it, `after`.

    Both on the part `test` of the held-out rows, by which nothing is chosen.
    """
    import torch
    from transformers import AutoModelForMaskedLM

    from weam_ray.corpus.parts import TEST
    from weam_ray.measure.held_out import HeldOut
    from weam_ray.measure.samples import LEVEL
    from weam_ray.model.encoder import build_encoder

    torch.set_num_threads(settings.training.threads_per_worker)
    device = "cuda" if settings.training.use_gpu else "cpu"
    tokenizer = data.load_tokenizer()
    held_out = HeldOut.of(data, TEST)
    initial = build_encoder(settings.encoder, tokenizer, settings.seeds.model).to(device)
    before = held_out.measure(initial, tokenizer, settings)
    trained = AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32).to(device)
    after = held_out.measure(trained, tokenizer, settings)
    return {"before": before, "after": after, "held_out": {"part": TEST, "rows": held_out.sizes(), "level": LEVEL}}
