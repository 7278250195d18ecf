"""How fast training is, beside others in the same run: the Hugging Face Trainer, a loop without Ray, and TLM.

On the bundled corpus, with two encoders: `small` (4 x 256, 16,000 words) and `bert_base` (12 x 768, 119,547 words, the
shape of multilingual BERT; weights and words make no difference to speed). Every case runs in a process of its own;
what is compared alternates. Tokens are those but for padding. All figures go to `--json`, and to the console.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cases
from cases import Case
from gpu import measure_gpu
from options import check_cores, check_json
from turns import Training, take_turns

from weam_ray import cli
from weam_ray.cluster.environment import quiet_environment
from weam_ray.cluster.join import ray_cluster
from weam_ray.errors import UserError
from weam_ray.pipeline import StagePlan, provenance, run_stages
from weam_ray.settings.config import Config, load_config
from weam_ray.store.home import Home
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.job import TrainingJob
from weam_ray.train.launch import launch
from weam_ray.train.log import read_steps

BERT_BASE = {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
BERT_BASE_WORDS, BERT_BASE_PAIRS = 119_547, 12
IDENTICAL_STEPS = 8
BLOCK = 6  # steps of a turn, of which the first is halted in
SETTINGS = {
    "bf16": ["training.precision=bf16", "training.zero_stage=1"],
    "eager_attention": ["encoder.attention=eager"],
    "gradient_checkpointing": ["training.gradient_checkpointing=true"],
    "compile": ["training.compile=true"],
}


@dataclass(frozen=True)
class Bench:
    """Where runs take place."""

    folder: Path
    threads: int

    def alone(self, case: Callable[..., Any], *arguments: Any) -> Any:
        """A case in a process of its own."""
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(case, *arguments).result()

    def config(self, *overrides: str) -> Config:
        """TLM on the bundled pairs, at the settings that every case shares."""
        return load_config(
            "bundled",
            [
                f"home={self.folder}",
                "tokenizer.vocab_size=16000",
                "corpus.held_out=0",
                "encoder={name: scratch, dropout: 0.1}",
                "encoder.scratch={num_layers: 4, hidden_size: 256, num_heads: 4, intermediate_size: 1024}",
                "objective={name: tlm, mask_probability: 0.15}",
                "optimizer={learning_rate: 1.0e-4}",
                f"training={{batch_size: 32, max_length: 128, threads_per_worker: {self.threads}}}",
                *overrides,
            ],
        )

    def case(self, steps: int, warm_up: int, *overrides: str) -> Case:
        """A case with its data, whose stages are shared."""
        config = self.config(f"training.max_steps={steps + warm_up}", "training.checkpoint_steps=100000", *overrides)
        home = Home.of(config, self.folder)
        return Case(config, run_stages(config, home.store, StagePlan.of(config, home.source_hashes())), warm_up)

    def bert_base(self, case: Case) -> str:
        """The folder of a model of multilingual BERT's shape, with the tokenizer of a case."""
        import torch
        from transformers import BertConfig, BertForMaskedLM

        folder = self.folder / "bert-base"
        torch.manual_seed(1)
        BertForMaskedLM(BertConfig(vocab_size=BERT_BASE_WORDS, **BERT_BASE)).save_pretrained(folder)
        case.data.load_tokenizer().save_pretrained(folder)
        return str(folder)

    def new_folder(self) -> Path:
        folder = self.folder / f"run-{time.monotonic_ns()}"
        folder.mkdir()
        return folder

    def launch(self, case: Case, folder: Path) -> None:
        """Train as the job does it, in a folder."""
        launch(job_of(case, folder))

    def launched(self, case: Case) -> dict[str, Any]:
        """Training as the job does it, on Ray Train and DeepSpeed: the log of the steps that count."""
        folder = self.new_folder()
        self.launch(case, folder)
        return logged(folder, range(case.warm_up + 1, case.config.training.max_steps + 1))

    def beside_bare(self, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
        """The same training as the job does it, and without Ray and DeepSpeed, in turn: the logs of the steps that
        count, and that were not halted in.
        """
        ours, plain = self.new_folder(), self.new_folder()
        with ThreadPoolExecutor(2) as pool:
            ends = [
                pool.submit(launch, job_of(case, ours)),
                pool.submit(self.alone, cases.bare, case, plain),
            ]
            trainings = Training(ours), Training(plain)
            steps = case.config.training.max_steps
            take_turns(*trainings, steps, BLOCK)
            for end in ends:
                end.result()
        disturbed = trainings[0].disturbed | trainings[1].disturbed
        counted = [step for step in range(case.warm_up + 1, steps + 1) if step not in disturbed]
        return logged(ours, counted), logged(plain, counted)


def logged(folder: Path, steps: Iterable[int]) -> dict[str, Any]:
    """What a training logged of some steps."""
    losses, timings = map(read_steps, (TrainingFolder(folder).losses, TrainingFolder(folder).timings))
    chosen = [(losses[step - 1], timings[step - 1]) for step in steps]
    return {
        "seconds": [timing["seconds"] for _, timing in chosen],
        "waited": [timing["waited"] for _, timing in chosen],
        "tokens": [loss["tokens"] for loss, _ in chosen],
        "padding": [timing["padding_share"] for _, timing in chosen],
    }


def rate(found: dict[str, Any]) -> float:
    """Tokens a second."""
    return sum(found["tokens"]) / sum(found["seconds"])


def against_trainer(bench: Bench, case: Case, ours: dict[str, Any]) -> dict[str, Any]:
    """Our tokens a second over those of the Trainer, which runs right after `ours`."""
    say("  the Hugging Face Trainer")
    theirs = bench.alone(cases.hugging_face, case, str(bench.folder / "trainer"))
    return {
        "ratio": round(rate(ours) / rate(theirs), 3),
        "tokens_per_second": round(rate(ours)),
        "trainer_tokens_per_second": round(rate(theirs)),
        "padding_share": round(statistics.mean(ours["padding"]), 5),
        "data_wait_share": round(sum(ours["waited"]) / sum(ours["seconds"]), 6),
    }


def against_tlm(bench: Bench, case: Case, peak: float) -> dict[str, Any]:
    """A WEAM step over a TLM step on the same batches; what the operations predict; the share of the peak."""
    found = bench.alone(cases.in_turn, case, case.having("objective={name: weam, mask_probability: 0.15}"))
    tlm, weam = found["seconds"]
    sizes, operations = found["sizes"], found["operations"]
    return {
        "ratio": round(step_ratio(tlm, weam), 4),
        "ratio_of_sums": round(sum(weam) / sum(tlm), 4),
        "predicted_by_operations": round(operations[1] / operations[0], 4),
        "partner_share": round(sizes["partners"] / sizes["masked"], 4),
        "tlm_step_seconds": round(statistics.mean(tlm), 4),
        "peak_share": round(operations[0] / sum(tlm) / peak, 4),
        "weam_peak_share": round(operations[1] / sum(weam) / peak, 4),
    }


def ray_overhead(bench: Bench, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Ray Train and DeepSpeed add to a step of a loop without them, by ZeRO stage, as a share; and the log at
    stage 0.
    """
    figures, found = {}, []
    steps = case.config.training.max_steps - case.warm_up
    for stage, share in ((0, 1.5), (1, 0.75), (2, 0.75), (3, 0.75)):  # the first is the one that is asked for
        say(f"  with Ray and DeepSpeed at ZeRO stage {stage}, and without, in turn")
        lasts = f"training.max_steps={case.warm_up + round(steps * share)}"
        ours, plain = bench.beside_bare(case.having(f"training.zero_stage={stage}", lasts))
        found.append(ours)
        figures[f"stage_{stage}"] = round(step_ratio(plain["seconds"], ours["seconds"]) - 1, 4)
        figures[f"stage_{stage}_steps"] = len(ours["seconds"])
    return figures, found[0]


def step_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """The middle ratio of steps on the same batches: a pause of the machine hits a few of them."""
    return statistics.median(b / a for a, b in zip(first, second, strict=True))


def by_setting(bench: Bench, case: Case) -> dict[str, Any]:
    """The seconds of a step with each of some settings, over those without."""
    found = {}
    for name, overrides in SETTINGS.items():
        say(f"  {name}")
        with_it = case.having(*overrides)
        plain, own = (bench.launched(entry)["seconds"] for entry in (case, with_it))
        found[name] = round(step_ratio(plain, own), 4)
    return found


def measure(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    started = time.monotonic()
    say("data")
    small = bench.case(options.steps, 4)
    figures: dict[str, Any] = {"threads": bench.threads, "batch_pairs": small.config.training.batch_size}
    peak = bench.alone(cases.peak, bench.threads)
    figures["peak_gflops"] = round(peak / 1e9, 1)
    say("losses on identical batches")
    plain = small.having(
        "encoder.dropout=0.0",
        "optimizer={schedule: constant, warmup_share: 0.0}",
        f"training.max_steps={IDENTICAL_STEPS}",
    )
    losses = bench.alone(cases.identical_batches, plain, str(bench.folder / "trainer"))
    figures["largest_loss_difference"] = max(
        abs(own - other) / other for own, other in zip(losses["ours"], losses["trainer"], strict=True)
    )
    say("small: WEAM and TLM in turn")
    figures["small_weam"] = against_tlm(bench, small, peak)
    say("small: with and without Ray")
    figures["ray_overhead"], ours = ray_overhead(bench, small)
    say("small: against the Trainer")
    figures["small_trainer"] = against_trainer(bench, small, ours)
    if options.settings:
        say("small: settings")
        figures["settings_step_ratio"] = by_setting(bench, small)
    if not options.small:
        say("bert-base")
        shape = (f"encoder.name={bench.bert_base(small)}", f"training.batch_size={BERT_BASE_PAIRS}")
        # more steps, since a ratio near 1 is asked for and a pause of the machine is as long as one of them
        figures["bert_base_weam"] = against_tlm(bench, bench.case(options.base_steps * 8 // 5, 1, *shape), peak)
        base = bench.case(options.base_steps, 1, *shape)
        say("  this project")
        figures["bert_base_trainer"] = against_trainer(bench, base, bench.launched(base))
    figures["seconds"] = round(time.monotonic() - started)
    return summary(figures) | figures


def summary(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that are quoted; those of bert-base only where it was run."""
    quoted = {
        "tokens_per_second_vs_hf_trainer": figures["small_trainer"]["ratio"],
        "weam_step_vs_tlm_step": figures["small_weam"]["ratio"],
        "partner_share": figures["small_weam"]["partner_share"],
        "padding_share": figures["small_trainer"]["padding_share"],
        "ray_overhead_share": figures["ray_overhead"]["stage_0"],
        "data_wait_share": figures["small_trainer"]["data_wait_share"],
        "peak_share": figures["small_weam"]["peak_share"],
    }
    if "bert_base_weam" in figures:
        quoted |= {
            "tokens_per_second_vs_hf_trainer_mbert": figures["bert_base_trainer"]["ratio"],
            "weam_step_vs_tlm_step_mbert": figures["bert_base_weam"]["ratio"],
        }
    return quoted


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="where the figures go")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="of a training process; all cores unless set"
    )
    parser.add_argument("--steps", type=int, default=24, metavar="N", help="steps that count, of the small encoder")
    parser.add_argument("--base-steps", type=int, default=5, metavar="N", help="likewise, of bert-base")
    parser.add_argument("--small", action="store_true", help="leave bert-base out, which takes some 6 GB of memory")
    parser.add_argument("--settings", action="store_true", help="bf16, attention, checkpointing, compilation as well")
    parser.add_argument(
        "--gpu", action="store_true", help="measure on a GPU instead, with bert-base and larger batches"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="of --gpu; cpu to see that it runs")
    options = parser.parse_args(arguments)
    cores = check_cores("--threads", options.threads, 0)
    for name in ("steps", "base_steps"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} {getattr(options, name)}: a number of 1 or more is expected.")
    check_json(options.json)
    quiet_environment()

    def keep(figures: dict[str, Any]) -> None:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")

    with tempfile.TemporaryDirectory(prefix="weam-ray-bench-") as name, ray_cluster("local", cores):
        bench = Bench(Path(name), options.threads or cores)
        if options.gpu:
            figures = measure_gpu(bench, options.device, options.small, say, keep)
        else:
            figures = measure(bench, options)
    keep(figures)
    print(json.dumps(figures, indent=1))
    print(f"Results: {options.json}")


def job_of(case: Case, folder: Path) -> TrainingJob:
    """The training of a case in a folder."""
    known = provenance(case.config, case.data)
    return TrainingJob(case.config.of_training(), case.data, TrainingFolder(folder), "benchmark", folder.name, known)


def say(text: str) -> None:
    print(time.strftime("%X"), text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.run(run)
