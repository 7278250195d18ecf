"""What a run will cost, before it runs: the batch arithmetic, and the memory of one device."""

from dataclasses import dataclass
from typing import Any

from weam_ray.errors import several
from weam_ray.settings.config import Config
from weam_ray.settings.objective import ObjectiveSection, forms, values
from weam_ray.settings.of_training import TrainingSettings

GIB = 2**30
FLOAT, HALF = 4, 2
# bytes that a layer keeps for the backward pass, by position and unit of its width: as measured with BERT's layers at
# 256 and 1,024 pairs of 128 tokens on one H100
STATES, STATES_BF16 = 74, 45
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
    sides = sequences_of_a_row(config.objective)
    longest = f"pairs of at most {training.max_length} tokens"
    if sides > 1:
        longest = f"pairs of sentences of at most {training.max_length} tokens each"
    lines = [
        f"batch: {training.batch_size} pairs a step = {several(training.num_workers, 'worker')} x "
        f"{training.accumulation_steps} "
        f"accumulated x {training.micro_batch_size} {longest} "
        f"(at most {training.batch_size * training.max_length * sides:,} tokens a step)",
        f"steps: {training.max_steps:,} x {training.batch_size} = {training.max_steps * training.batch_size:,} pairs"
        + (f", {training.max_steps * training.batch_size / num_pairs:.1f} epochs of {num_pairs:,}" if num_pairs else "")
        + "".join(f", at most {limit:,} {key.removeprefix('max_')}" for key, limit in training.other_limits.items())
        + f"; a checkpoint every {training.checkpoint_steps:,}",
        f"workers: {training.num_workers} x {training.threads_per_worker} CPU threads"
        + (" + 1 GPU" if training.use_gpu else "")
        + f", ZeRO stage {training.zero_stage}, {training.precision}, torch.distributed over "
        + ("NCCL" if training.use_gpu else "gloo"),
    ]
    return lines


def sequences_of_a_row(objective: ObjectiveSection) -> int:
    """1 where every member of the objective takes pairs as one sequence, 2 where one takes their sentences apart."""
    return 1 if set(forms(objective)) == {"pairs"} else 2


@dataclass(frozen=True)
class Memory:
    """About how many bytes the parts of a training take on one worker's device, at its largest micro-batch.

    `weights` counts the bfloat16 copies that autocast keeps, `states` what the layers keep for the backward pass, and
    `head` the logits of `rows` masked positions, or of as many of them as are made at a time, with their gradient.
    """

    weights: float
    gradients: float
    optimizer: float
    states: float
    head: float
    rows: int

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.states + self.head


def memory_of(settings: TrainingSettings, shape: Any, num_parameters: int, vocab_size: int) -> Memory:
    """An estimate of the memory of one worker's device; `shape` is the Hugging Face configuration of the encoder."""
    from weam_ray.objectives.head import most_bytes

    training, objective = settings.training, settings.objective
    stage, workers = training.zero_stage, training.num_workers
    half = training.precision == "bf16"
    sides = sequences_of_a_row(objective)
    positions = training.micro_batch_size * training.max_length * sides
    # predictions of a masked token: one, unless an objective says otherwise
    heads = {"word_aligned": 0, "weam": 2 if any(values(objective.lambda_)) else 1}
    masked = positions * max(values(objective.mask_probability))
    rows = round(masked * sum(heads.get(name, 1) for name in objective.members))
    layers = 1 if training.gradient_checkpointing else shape.num_hidden_layers
    kept = (STATES_BF16 if half else STATES) * layers
    if training.gradient_checkpointing:
        kept += FLOAT * shape.num_hidden_layers
    return Memory(
        weights=num_parameters * ((FLOAT + HALF if half else FLOAT) / (workers if stage == 3 else 1)),
        gradients=num_parameters * FLOAT / (workers if stage >= 2 else 1),
        optimizer=num_parameters * 2 * FLOAT / (workers if stage >= 1 else 1),
        states=positions * shape.hidden_size * kept,
        head=most_bytes(rows, vocab_size, HALF if half else FLOAT, training.use_gpu),
        rows=rows,
    )


def memory_lines(memory: Memory, num_parameters: int, vocab_size: int) -> list[str]:
    """The estimate, as lines to print."""
    return [
        f"memory of one device, about: {num_parameters:,} parameters {size(memory.weights)}, gradients "
        f"{size(memory.gradients)}, optimizer state {size(memory.optimizer)},",
        f"  at most {memory.rows:,} masked rows x {vocab_size:,} words and their gradient {size(memory.head)}, "
        f"the layers' states {size(memory.states)}; together {size(memory.total)}",
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
