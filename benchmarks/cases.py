"""What `train.py` measures, each case in a process of its own: a loop without Ray, two objectives in turn, and the
Hugging Face Trainer.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.batches.batch import Batch
from weam_ray.cluster.memory import keep_memory
from weam_ray.pipeline import Data
from weam_ray.settings.config import Config, make_config
from weam_ray.train.loop import Callback, train
from weam_ray.train.record import StepRecord


@dataclass(frozen=True)
class Each(Callback):
    """Calls a function with the record of each step."""

    take: Callable[[StepRecord], None]

    def after_step(self, record: StepRecord) -> None:
        self.take(record)


@dataclass(frozen=True)
class Case:
    """A configuration with its encoded data; `warm_up` steps come before those that count."""

    config: Config
    data: Data
    warm_up: int

    def having(self, *overrides: str) -> "Case":
        return Case(make_config(self.config.tree(), overrides), self.data, self.warm_up)


def prepare(case: Case) -> tuple[Any, Any, Any]:
    """An engine without DeepSpeed, the worker's micro-batches, and the tokenizer."""
    import torch

    from weam_ray.batches.forms import collators
    from weam_ray.batches.loader import Batches, TrainingRows
    from weam_ray.model.families import packs
    from weam_ray.train.engines.bare import BareEngine
    from weam_ray.train.engines.device import prepare_device
    from weam_ray.train.model import objective_of

    config = case.config
    torch.set_num_threads(config.training.threads_per_worker)
    keep_memory()
    prepare_device(config.training)
    tokenizer = case.data.load_tokenizer()
    device = "cuda" if config.training.use_gpu else "cpu"
    engine = BareEngine(
        objective_of(config.of_training(), tokenizer), config.optimizer, device, config.training.precision
    )
    rows = TrainingRows(case.data.encoded)
    plan = rows.plan(config.training, config.seeds.data)
    collate = collators(config.of_training(), tokenizer, packs(engine.objective.masked_model.model))
    batches = Batches(rows, plan, collate, config.training.micro_batch_size, 0, 1)
    return engine, batches, tokenizer


def bare(case: Case, folder: Path) -> None:
    """The training loop without Ray and DeepSpeed; it logs its steps to a folder."""
    from weam_ray.batches.prefetch import ahead, collated
    from weam_ray.store.training_folder import TrainingFolder
    from weam_ray.train.log import StepLog
    from weam_ray.train.loop import to_device

    engine, batches, _ = prepare(case)
    log = StepLog(TrainingFolder(folder), 0)
    training = case.config.training
    source = collated(batches, range(training.max_steps), training.num_collators)
    steps = ahead(source, to_device(engine.device))
    train(engine, case.config.of_training(), steps, 0, [Each(log.write)])
    log.close()


def in_turn(case: Case, other: Case) -> dict[str, Any]:
    """Steps of two configurations on the same batches, in one process, in turn: seconds of each."""

    prepared = [(own.config, *prepare(own)[:2]) for own in (case, other)]
    seconds: tuple[list[float], list[float]] = ([], [])
    batches: list[Batch] = []
    for step in range(case.config.training.max_steps):
        for which in (0, 1) if step % 2 else (1, 0):
            config, engine, own = prepared[which]
            until = make_config(config.tree(), [f"training.max_steps={step + 1}"])
            records: list[StepRecord] = []
            micro_batches = own.step(step)
            train(engine, until.of_training(), [micro_batches], step, [Each(records.append)])
            seconds[which].append(records[0].seconds)
            if which == 0:
                batches += [batch for _, (batch,) in micro_batches]
    counted = batches[case.warm_up :]
    sizes = [step_sizes(batch) for batch in counted]
    model = prepared[0][1].objective.masked_model.model.config
    return {
        "seconds": [own[case.warm_up :] for own in seconds],
        "sizes": {key: sum(size[key] for size in sizes) for key in sizes[0]},
        "operations": [sum(operations(model, size, pairs) for size in sizes) for pairs in (False, True)],
    }


def step_sizes(batch: Batch) -> dict[str, int]:
    """What the operations of a step depend on: tokens, squares of lengths, masked tokens, those with a partner."""
    rows, length = batch.input_ids.shape
    partners = (batch.exchange + np.arange(rows)[:, None] * length).ravel()[batch.masked]
    lengths = (batch.attention_mask > 0).sum(axis=1)
    return {
        "tokens": int(lengths.sum()),
        "squares": int((lengths**2).sum()),
        "masked": len(batch.masked),
        "partners": int((partners != batch.masked).sum()),
    }


def operations(model: Any, size: dict[str, int], cross_lingual: bool) -> float:
    """Floating-point operations of the matrix products of a BERT's step, padding not counted.

    A product of a forward pass has two more in the backward pass, of as many operations.
    """
    hidden, layers = model.hidden_size, model.num_hidden_layers
    linear = layers * (4 * hidden**2 + 2 * hidden * model.intermediate_size) * size["tokens"]
    attention = layers * 2 * hidden * size["squares"]
    rows = size["masked"] + (size["partners"] if cross_lingual else 0)
    head = (hidden**2 + hidden * model.vocab_size) * rows
    return 3 * 2.0 * (linear + attention + head)


def peak(threads: int) -> float:
    """Operations a second of the best of some products of large float32 matrices."""
    import torch

    torch.set_num_threads(threads)
    size = 2048
    left, right = torch.randn(size, size), torch.randn(size, size)
    best = 0.0
    for _ in range(12):
        started = time.perf_counter()
        torch.mm(left, right)
        best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


def concatenated(case: Case) -> list[dict[str, Any]]:
    """The pairs as `[CLS] x [SEP] y [SEP]`, as the Hugging Face Trainer takes them."""
    from weam_ray.batches.batch import Vocabulary
    from weam_ray.batches.loader import TrainingRows
    from weam_ray.batches.pairs import PairCollator
    from weam_ray.encode.rows import RowKey

    config = case.config
    vocabulary = Vocabulary.of(case.data.load_tokenizer())
    collator = PairCollator(vocabulary, config.objective, config.seeds, config.training.max_length)
    rows = TrainingRows(case.data.encoded)
    pairs = []
    for shard in range(len(rows.shards)):
        for number in range(len(rows.shard(shard))):
            pair = collator.concatenate(RowKey(0, number), rows.shard(shard).row(number))
            pairs.append({"input_ids": pair.ids.tolist(), "token_type_ids": pair.types.tolist()})
    return pairs


def trainer_arguments(config: Config, folder: str, **arguments: Any) -> Any:
    """The Trainer's arguments for our optimizer settings."""
    from transformers import TrainingArguments

    optimizer, training = config.optimizer, config.training
    defaults = {
        "per_device_train_batch_size": training.batch_size,
        "use_cpu": True,
        "lr_scheduler_type": "linear",
        "warmup_steps": round(optimizer.warmup_share * training.max_steps),
    }
    return TrainingArguments(
        output_dir=folder,
        max_steps=training.max_steps,
        learning_rate=optimizer.learning_rate,
        adam_beta1=optimizer.betas[0],
        adam_beta2=optimizer.betas[1],
        adam_epsilon=optimizer.epsilon,
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.max_gradient_norm,
        optim="adamw_torch_fused",
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=config.seeds.model,
        **{**defaults, **arguments},
    )


def hugging_face(
    case: Case, folder: str, mask_probability: float = 0.15, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The Trainer with its collator on the concatenated pairs: tokens (but for padding) and seconds of each step.

    `arguments` are the Trainer's own, beside those of our settings; on a GPU it pads lengths to multiples of 16, as we
    do. A GPU is waited for at the first and the last of
    the steps that count, so the seconds of all of them together are right; its `memory` is in bytes, at most.
    """
    import torch
    from transformers import DataCollatorForLanguageModeling, Trainer, TrainerCallback

    from weam_ray.model.encoder import build_encoder

    config = case.config
    torch.set_num_threads(config.training.threads_per_worker)
    tokenizer = case.data.load_tokenizer()
    tokens: list[Any] = []
    ends: list[float] = []
    first, last = max(1, case.warm_up), config.training.max_steps

    class Counting(Trainer):
        def training_step(self, model: Any, inputs: Any, *others: Any) -> Any:
            tokens.append(inputs["attention_mask"].sum())
            return super().training_step(model, inputs, *others)

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available() and len(ends) + 1 in (first, last):
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    trainer = Counting(
        build_encoder(config.encoder, tokenizer, config.seeds.model),
        trainer_arguments(config, folder, **(arguments or {})),
        data_collator=DataCollatorForLanguageModeling(
            tokenizer, mlm_probability=mask_probability, pad_to_multiple_of=16 if torch.cuda.is_available() else None
        ),
        train_dataset=concatenated(case),
        callbacks=[Clock()],
    )
    trainer.train()
    passes = len(tokens) // len(ends)
    return {
        "tokens": [int(number) for number in tokens[first * passes : len(ends) * passes]],
        "seconds": np.diff(ends[first - 1 :]).tolist(),
        "memory": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0,
    }


def identical_batches(case: Case, folder: str) -> dict[str, Any]:
    """The losses of TLM and of the Trainer, step by step, on the same batches and masks, without dropout."""
    import torch
    from transformers import Trainer

    from weam_ray.model.encoder import build_encoder

    config = case.config
    engine, batches, tokenizer = prepare(case)
    steps = [batches.step(step) for step in range(config.training.max_steps)]
    records: list[StepRecord] = []
    train(engine, config.of_training(), steps, 0, [Each(records.append)])
    collated = []
    for [(_, (batch,))] in steps:
        labels = np.full(batch.input_ids.size, -100)
        labels[batch.masked] = batch.labels
        arrays = (batch.input_ids, batch.attention_mask, batch.token_type_ids, labels.reshape(batch.input_ids.shape))
        names = ("input_ids", "attention_mask", "token_type_ids", "labels")
        collated.append(dict(zip(names, map(torch.from_numpy, arrays), strict=True)))
    losses: list[float] = []

    class Recorder(Trainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(collated)

        def compute_loss(self, *arguments: Any, **options: Any) -> Any:
            result = super().compute_loss(*arguments, **options)
            losses.append((result[0] if isinstance(result, tuple) else result).item())
            return result

    model = build_encoder(config.encoder, tokenizer, config.seeds.model)
    arguments = trainer_arguments(
        config, folder, per_device_train_batch_size=1, lr_scheduler_type="constant", warmup_steps=0
    )
    Recorder(model, arguments, data_collator=lambda rows: rows[0], train_dataset=collated).train()
    return {"ours": [record.loss for record in records], "trainer": losses}
