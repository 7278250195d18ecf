"""How fast training is on one GPU: WEAM and TLM by the loop of this project, and the Hugging Face Trainer.

The encoder has multilingual BERT's shape; products are in bfloat16. Every case runs in a process of its own, one after
the other. On a CPU the same can be run small, to see that it runs.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cases
from cases import Case, operations, prepare, step_sizes

from weam_ray.batches.batch import Batch, MicroBatches
from weam_ray.jobs.cost import memory_of
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.log import StepLog, read_steps

PROBABILITY = 0.3  # of masks, as in the `paper` configuration
REPEATED_STEPS, COMPARED_STEPS = 20, 200


@dataclass(frozen=True)
class Sizes:
    """Pairs of a step, and the steps that count, after those of warm-up."""

    pairs: int
    steps: int
    warm_up: int


FULL = (Sizes(32, 60, 20), Sizes(256, 30, 10))
SMALL = (Sizes(4, 3, 1), Sizes(8, 3, 1))
MANY, MANY_SMALL = Sizes(1024, 10, 3), Sizes(16, 3, 1)  # of these the memory counts


def overrides(device: str, sizes: Sizes, objective: str) -> list[str]:
    """The settings of a case."""
    return [
        f"objective={{name: {objective}, mask_probability: {PROBABILITY}}}",
        f"training.batch_size={sizes.pairs}",
        f"training.micro_batch_size={sizes.pairs}",
        f"training.max_steps={sizes.steps + sizes.warm_up}",
        "optimizer={schedule: constant, warmup_share: 0.0}",  # so that a shorter run begins like a longer one
        *(["training.use_gpu=true", "training.precision=bf16"] if device == "cuda" else ON_CPU),
    ]


ON_CPU = ["training.precision=bf16", "training.length_multiple=16"]


def ours(case: Case, folder: TrainingFolder) -> dict[str, Any]:
    """The training loop without Ray and DeepSpeed; it logs its steps to a folder. Memory, shapes and operations."""
    import torch

    from weam_ray.batches.prefetch import ahead, collated
    from weam_ray.train.loop import to_device, train

    engine, batches, _ = prepare(case)
    seen: list[Batch] = []

    def noted(steps: Iterator[MicroBatches]) -> Iterator[MicroBatches]:
        for micro_batches in steps:
            seen.extend(batch for _, own in micro_batches for batch in own)
            yield micro_batches

    log = StepLog(folder, 0)
    training = case.config.training
    source = collated(batches, range(training.max_steps), training.num_collators)
    steps = noted(ahead(source, to_device(engine.device)))
    train(engine, case.config.of_training(), steps, 0, [cases.Each(log.write)])
    log.close()
    memory = torch.cuda.max_memory_allocated() if engine.device.type == "cuda" else 0
    passes = case.config.training.accumulation_steps
    counted = [step_sizes(batch) for batch in seen[case.warm_up * passes :]]
    model = engine.objective.masked_model.model.config
    number = sum(parameter.numel() for parameter in engine.objective.parameters())
    cross_lingual = "cross_lingual_loss" in engine.parts
    return {
        "memory": memory,
        "memory_estimate": memory_of(case.config.of_training(), model, number, model.vocab_size).total,
        "shapes": len({batch.input_ids.shape for batch in seen}),
        "operations": sum(operations(model, size, cross_lingual) for size in counted),
    }


def peak(device: str, size: int) -> float:
    """Operations a second of products of large bfloat16 matrices: the median of ten, after three of warm-up."""
    import torch

    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(13):
        wait(device)
        started = time.perf_counter()
        torch.mm(left, right)
        wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds[3:])


def wait(device: str) -> None:
    """Wait until a device has done all that it was given."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def run_ours(bench: Any, case: Case) -> dict[str, Any]:
    """`ours`, with the log of its steps."""
    folder = TrainingFolder(bench.new_folder())
    found: dict[str, Any] = bench.alone(ours, case, folder)
    losses, timings = read_steps(folder.losses), read_steps(folder.timings)
    steps = slice(case.warm_up, None)
    return found | {
        "losses": [line["loss"] for line in losses],
        "tokens": [line["tokens"] for line in losses[steps]],
        **{key: [line[key] for line in timings[steps]] for key in ("seconds", "waited", "padding_share")},
    }


def figures_of(found: dict[str, Any], peak_rate: float) -> dict[str, Any]:
    """What is reported of one run of ours."""
    seconds = sum(found["seconds"])
    return {
        "tokens_per_second": round(sum(found["tokens"]) / seconds),
        "step_milliseconds": round(1000 * statistics.median(found["seconds"]), 2),
        "slowest_step_milliseconds": round(1000 * max(found["seconds"]), 2),
        "teraflops": round(found["operations"] / seconds / 1e12, 2),
        "peak_share": round(found["operations"] / seconds / peak_rate, 4),
        "data_wait_share": round(sum(found["waited"]) / seconds, 5),
        "padding_share": round(statistics.mean(found["padding_share"]), 4),
        "memory_gib": round(found["memory"] / 2**30, 2),
        "memory_estimate_gib": round(found["memory_estimate"] / 2**30, 2),
        "shapes": found["shapes"],
    }


def trainer(bench: Any, case: Case, passes: int, device: str) -> dict[str, Any]:
    """The Hugging Face Trainer: bf16, fused AdamW, lengths grouped; a batch in one or several forward passes."""
    arguments = {
        "use_cpu": device == "cpu",
        "bf16": True,
        "train_sampling_strategy": "group_by_length",
        "per_device_train_batch_size": case.config.training.batch_size // passes,
        "gradient_accumulation_steps": passes,
        "dataloader_num_workers": 4 if device == "cuda" else 0,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
    }
    found = bench.alone(cases.hugging_face, case, str(bench.folder / "trainer"), PROBABILITY, arguments)
    return {
        "tokens_per_second": round(sum(found["tokens"]) / sum(found["seconds"])),
        "step_milliseconds": round(1000 * statistics.mean(found["seconds"]), 2),
        "memory_gib": round(found["memory"] / 2**30, 2),
        "passes": passes,
    }


def measure_gpu(
    bench: Any, device: str, small: bool, say: Callable[[str], None], keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """All figures, by the pairs of a step; `keep` is called with those so far, after each case."""
    started = time.monotonic()
    say("data")
    plain = bench.case(1, 0, "corpus.held_out=0")
    shape = [] if small else [f"encoder.name={bench.bert_base(plain)}"]
    peak_rate = bench.alone(peak, device, 512 if small else 8192)
    figures: dict[str, Any] = {
        "device": bench.alone(device_name, device),
        "peak_teraflops": round(peak_rate / 1e12, 2),
    }
    for sizes in SMALL if small else FULL:
        weam, tlm = (
            Case(plain.having(*shape, *overrides(device, sizes, name)).config, plain.data, sizes.warm_up)
            for name in ("weam", "tlm")
        )
        say(f"{sizes.pairs} pairs: WEAM")
        own = run_ours(bench, weam)
        say(f"{sizes.pairs} pairs: TLM")
        other = run_ours(bench, tlm)
        say(f"{sizes.pairs} pairs: the Hugging Face Trainer")
        tries = [trainer(bench, tlm, passes, device) for passes in ((1, 2) if sizes.pairs > 32 else (1,))]
        theirs = max(tries, key=lambda one: one["tokens_per_second"])
        pairwise = [one / two for one, two in zip(own["seconds"], other["seconds"], strict=True)]
        figures[f"pairs_{sizes.pairs}"] = {
            "weam": figures_of(own, peak_rate),
            "tlm": figures_of(other, peak_rate),
            "trainer": theirs,
            "tokens_per_second_vs_hf_trainer": round(
                figures_of(own, peak_rate)["tokens_per_second"] / theirs["tokens_per_second"], 3
            ),
            "weam_step_vs_tlm_step": round(statistics.median(pairwise), 4),
        }
        keep(figures)
        if "repeated" not in figures:
            say("the same steps again")
            steps = min(REPEATED_STEPS, sizes.steps)
            again = run_ours(bench, Case(weam.having(f"training.max_steps={steps}").config, plain.data, 0))
            figures["repeated"] = compared(own["losses"][:steps], again["losses"])
            keep(figures)
    many = MANY_SMALL if small else MANY
    say(f"{many.pairs} pairs: WEAM")
    case = Case(plain.having(*shape, *overrides(device, many, "weam")).config, plain.data, many.warm_up)
    figures[f"pairs_{many.pairs}"] = {"weam": figures_of(run_ours(bench, case), peak_rate)}
    keep(figures)
    say("float32 on the device and on the CPU")
    figures["float32_beside_cpu"] = beside_cpu(bench, plain, device, 3 if small else COMPARED_STEPS)
    figures["seconds"] = round(time.monotonic() - started)
    return figures


def beside_cpu(bench: Any, plain: Case, device: str, steps: int) -> dict[str, Any]:
    """Losses of a small encoder in float32, without dropout, on the device and on the CPU."""
    common = ["encoder.dropout=0.0", f"training.max_steps={steps}", "training.batch_size=8", "objective.name=weam"]
    lists = []
    for own in (["training.use_gpu=true"] if device == "cuda" else ["training.length_multiple=16"], []):
        case = Case(plain.having(*common, "training.micro_batch_size=8", *own).config, plain.data, 0)
        lists.append(run_ours(bench, case)["losses"])
    return compared(*lists)


def compared(first: list[float], second: list[float]) -> dict[str, Any]:
    """How two lists of losses of the same steps differ."""
    apart = [abs(one - two) / two for one, two in zip(first, second, strict=True)]
    return {"steps": len(first), "equal": first == second, "largest_relative_difference": max(apart)}
