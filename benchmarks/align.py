"""How fast the alignment job is, from reading the text to writing links, beside the C++ fast_align in the same run.

Both work with as many cores as `--workers` says: ours is bound to them, Ray and all; the reference has as many threads
and the same cores. Runs alternate; ratios are of neighbouring runs. `--curve` runs on a tenth and three tenths of the
text as well, and shows the memory of a decoding worker. All figures go to `--json`, and to the console.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from options import check_cores, check_json

from weam_ray import cli
from weam_ray.align.pharaoh import read_pharaoh
from weam_ray.align.ready import link_numbers
from weam_ray.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
METHOD = "grow-diag-final-and"
WORK = ("corpus", "fit", "decode", "links", "write")  # the phases of the job from reading to writing
CURVE = (0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Bench:
    """Where runs take place, and with what."""

    folder: Path
    workers: int
    environment: dict[str, str]

    def call(self, command: Sequence[str], output: Path | None = None) -> float:
        """Run a command on as many cores as there are workers; its seconds.

        Raises:
            UserError: it failed.
        """
        cores = sorted(os.sched_getaffinity(0))[: self.workers]
        started = time.monotonic()
        with (output or self.folder / "stdout").open("wb") as stdout, (self.folder / "stderr").open("wb") as stderr:
            done = subprocess.run(
                command,
                stdout=stdout,
                stderr=stderr,
                env=self.environment,
                check=False,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        if done.returncode:
            last = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise UserError(f"{' '.join(command)} ended with {done.returncode}: {' '.join(last)}")
        return time.monotonic() - started

    def compile(self) -> float:
        """Compile all kernels into a cache of this benchmark's own."""
        return self.call([sys.executable, "-c", "from weam_ray.jobs.warm_up import compile_kernels; compile_kernels()"])

    def align(self, text: Path, name: str) -> dict[str, Any]:
        """Run the alignment job on a text, with a home of its own, so that no stage is reused; its result."""
        output, home = self.folder / name, self.folder / f"{name}-home"
        options = ["--format", "pipes", "--source-lang", "xx", "--target-lang", "yy", "--symmetrization", METHOD]
        overrides = [f"home={home}", f"cluster.num_cpus={self.workers}"]
        job = [sys.executable, str(ROOT / "jobs" / "align.py"), "--input", str(text), "--output", str(output)]
        self.call([*job, *options, *overrides])
        return json.loads((output / "result.json").read_text(encoding="utf-8"))

    def reference(self, binary: str, symmetrizer: str, text: Path) -> dict[str, float]:
        """Run the reference: both directions and the symmetrisation; seconds of each."""
        base = [binary, "-i", str(text), "-d", "-o", "-v"]
        forward, reverse = self.folder / "forward", self.folder / "reverse"
        seconds = {"forward": self.call(base, forward), "reverse": self.call([*base, "-r"], reverse)}
        merge = [symmetrizer, "-i", str(forward), "-j", str(reverse), "-c", METHOD]
        seconds["symmetrization"] = self.call(merge, self.folder / "reference.pharaoh")
        return seconds


def num_words(text: Path) -> int:
    """Words of both sides."""
    with text.open("rb") as lines:
        return sum(len(line.split()) - 1 for line in lines)


def links_differ_share(ours: Path, reference: Path) -> float:
    """The symmetric difference of two files of links, over the links of the reference."""
    left, right = (link_numbers(read_pharaoh(path)) for path in (ours, reference))
    return len(np.setxor1d(left, right, assume_unique=True)) / max(1, len(right))


def work_seconds(result: dict[str, Any]) -> float:
    return sum(result["seconds"][phase] for phase in WORK)


def first_lines(text: Path, share: float, file: Path) -> Path:
    lines = text.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: max(1, round(share * len(lines)))]))
    return file


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, metavar="FILE", help="`source ||| target` lines")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="where the figures go")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="cores, and threads of the reference")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each")
    parser.add_argument("--reference-binary", metavar="PATH", help="fast_align")
    parser.add_argument("--reference-symmetrizer", metavar="PATH", help="atools")
    parser.add_argument("--curve", action="store_true", help="memory at a tenth, three tenths and all of the text")
    options = parser.parse_args(arguments)
    check_cores("--workers", options.workers)
    check_json(options.json)
    if not options.input.is_file():
        raise UserError(f"--input: there is no file {str(options.input)!r}.")
    if (options.reference_binary is None) != (options.reference_symmetrizer is None):
        raise UserError("--reference-binary and --reference-symmetrizer go together.")
    with tempfile.TemporaryDirectory(prefix="weam-ray-bench-") as name:
        folder = Path(name)
        environment = os.environ | {
            "NUMBA_CACHE_DIR": str(folder / "numba"),
            "OMP_NUM_THREADS": str(options.workers),
            "PYTHONPATH": str(ROOT),
        }
        environment.pop("RAY_ADDRESS", None)
        figures = measure(Bench(folder, options.workers, environment), options)
    options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(json.dumps(figures, indent=1))
    print(f"Results: {options.json}")


def measure(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    text: Path = options.input.absolute()
    say("compiling")
    figures: dict[str, Any] = {"workers": bench.workers, "compile_seconds": round(bench.compile(), 1)}
    results, references = [], []
    for number in range(options.repeat):
        say(f"run {number + 1} of {options.repeat}: this project")
        results.append(bench.align(text, f"run-{number}"))
        if options.reference_binary:
            say(f"run {number + 1} of {options.repeat}: the reference")
            references.append(bench.reference(options.reference_binary, options.reference_symmetrizer, text))
    seconds = [work_seconds(result) for result in results]
    middle = results[seconds.index(statistics.median_low(seconds))]
    words = num_words(text)
    figures |= {
        "pairs": middle["pairs"],
        "words": words,
        "words_per_second": round(words / statistics.median_low(seconds)),
        "seconds": middle["seconds"],
        "work_seconds": [round(value, 2) for value in seconds],
        "start_seconds": middle["seconds"]["start"],
        "peak_memory_bytes": middle["peak_memory_bytes"],
        "model_bytes": middle["model_bytes"],
    }
    if references:
        totals = [sum(reference.values()) for reference in references]
        ratios = [total / own for total, own in zip(totals, seconds, strict=True)]
        figures |= {
            "reference_seconds": {key: round(value, 2) for key, value in references[-1].items()},
            "reference_words_per_second": round(words / statistics.median_low(totals)),
            "speedup_vs_reference": round(statistics.median(ratios), 2),
            "speedups": [round(ratio, 2) for ratio in ratios],
            "links_differ_share": links_differ_share(
                bench.folder / "run-0" / "links.pharaoh", bench.folder / "reference.pharaoh"
            ),
        }
    if options.curve:
        figures["curve"] = []
        for share in CURVE:
            say(f"memory at {share:.0%} of the text")
            result = bench.align(first_lines(text, share, bench.folder / "part.txt"), f"curve-{share}")
            keys = ("pairs", "peak_memory_bytes", "model_bytes")
            figures["curve"].append({"share": share, **{key: result[key] for key in keys}})
    return figures


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    cli.run(run)
