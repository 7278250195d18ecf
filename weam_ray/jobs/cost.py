"""What a run will cost, before it runs: the batch arithmetic, and the memory of one device."""

from typing import Any

from weam_ray.settings.config import Config
from weam_ray.settings.objective import forms, values

GIB = 2**30
FLOAT, HALF = 4, 2
# so that a GPU run can be planned on a machine without the encoder (Devlin et al. 2019; Conneau et al. 2020); both are
# "base" models: 12 layers x 768
PUBLISHED_SHAPES: dict[str, dict[str, Any]] = {
    "bert-base-multilingual-cased": {"model_type": "bert", "vocab_size": 119_547},
    "xlm-roberta-base": {
        "model_type": "xlm-roberta",
        "vocab_size": 250_002,
        "type_vocab_size": 1,
        "max_position_embeddings": 514,
    },
}


def batch_lines(config: Config, num_pairs: int | None = None) -> list[str]:
    """The batch arithmetic, as lines to print; `num_pairs` are the training pairs, where they are known."""
    training = config.training
    sides = sequences_of_a_row(config)
    longest = f"pairs of at most {training.max_length} tokens"
    if sides > 1:
        longest = f"pairs of sentences of at most {training.max_length} tokens each"
    lines = [
        f"batch: {training.batch_size} pairs a step = {training.num_workers} workers x {training.accumulation_steps} "
        f"accumulated x {training.micro_batch_size} {longest} "
        f"(at most {training.batch_size * training.max_length * sides:,} tokens a step)",
        f"steps: {training.max_steps:,} x {training.batch_size} = {training.max_steps * training.batch_size:,} pairs"
        + (f", {training.max_steps * training.batch_size / num_pairs:.1f} epochs of {num_pairs:,}" if num_pairs else "")
        + f"; a checkpoint every {training.checkpoint_steps:,}",
        f"workers: {training.num_workers} x {training.threads_per_worker} CPU threads"
        + (" + 1 GPU" if training.use_gpu else "")
        + f", ZeRO stage {training.zero_stage}, {training.precision}, torch.distributed over "
        + ("NCCL" if training.use_gpu else "gloo"),
    ]
    return lines


def sequences_of_a_row(config: Config) -> int:
    """1 where every member of the objective takes pairs as one sequence, 2 where one takes their sentences apart."""
    return 1 if set(forms(config.objective)) == {"pairs"} else 2


def memory_lines(config: Config, num_parameters: int, vocab_size: int) -> list[str]:
    """An estimate of the memory of one worker's device: weights, gradients, optimizer state, logits.

    The states of the layers come on top of it; they depend on the kernels in use.
    """
    training = config.training
    stage, workers = training.zero_stage, training.num_workers
    half = training.precision == "bf16"
    weights = num_parameters * (HALF if half else FLOAT) / (workers if stage == 3 else 1)
    gradients = num_parameters * (HALF if half else FLOAT) / (workers if stage >= 2 else 1)
    moments = num_parameters * (3 if half else 2) * FLOAT / (workers if stage >= 1 else 1)
    objective = config.objective
    masked = training.micro_batch_size * training.max_length * max(values(objective.mask_probability))
    masked *= sequences_of_a_row(config)
    heads = {"mlm": 1, "tlm": 1, "weam": 2 if any(values(objective.lambda_)) else 1}  # calls of the head
    rows = round(masked * sum(heads.get(name, 0) for name in objective.members))
    logits = 2 * rows * vocab_size * FLOAT  # the logits and their gradient
    total = weights + gradients + moments + logits
    return [
        f"memory of one device, about: {num_parameters:,} parameters {size(weights)}, gradients {size(gradients)}, "
        f"optimizer state {size(moments)}{' (with float32 weights)' if half else ''},",
        f"  logits of at most {rows:,} masked rows x {vocab_size:,} words and their gradient {size(logits)}; "
        f"together {size(total)}, and the layers' states",
    ]


def size(num_bytes: float) -> str:
    return f"{num_bytes / GIB:.2f} GiB" if num_bytes >= GIB / 10 else f"{num_bytes / 2**20:.1f} MiB"


def count_parameters(model_config: Any) -> int:
    """Parameters of the masked language model of a configuration, without making its weights."""
    import torch
    from transformers import AutoModelForMaskedLM

    with torch.device("meta"):
        model = AutoModelForMaskedLM.from_config(model_config)
    return sum(parameter.numel() for parameter in model.parameters())
