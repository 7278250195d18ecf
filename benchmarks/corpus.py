"""How fast a corpus is built, how its memory grows with it, and how workers help; beside OpusFilter in the same run.

The text is made of the bundled verses: replicated, each time with other words in a few places, with some duplicates,
some pairs of unequal length, some with other numbers and some with signs that nobody reads. `--memory` builds a tenth
of it too.
`--opusfilter COMMAND` runs that program with the same filters on the first `--rival-pairs` pairs, in turns with ours.
All figures go to `--json`, and to the console.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from options import check_cores, check_json

from weam_ray import cli
from weam_ray.corpus.readers import raw_pairs
from weam_ray.errors import UserError
from weam_ray.settings.parsing import written_yaml
from weam_ray.settings.sources import BundledSource

ROOT = Path(__file__).resolve().parents[1]
# the filters of a run, and OpusFilter's names of the same
FILTERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"filter": "length", "max": 60}, {"LengthFilter": {"unit": "word", "min_length": 1, "max_length": 60}}),
    ({"filter": "length_ratio"}, {"LengthRatioFilter": {"unit": "word", "threshold": 3}}),
    ({"filter": "long_words"}, {"LongWordFilter": {"threshold": 40}}),
    ({"filter": "letters", "min": 0.7}, {"AlphabetRatioFilter": {"threshold": 0.7}}),
    ({"filter": "script"}, {"CharacterScoreFilter": {"scripts": ["Latin", "Latin"], "thresholds": [1, 1]}}),
    ({"filter": "terminal_punctuation"}, {"TerminalPunctuationFilter": {}}),
    ({"filter": "numerals"}, {"NonZeroNumeralsFilter": {}}),
    ({"filter": "repetition"}, {"RepetitionFilter": {}}),
]
OURS_ALONE = [{"filter": "digits"}, {"filter": "punctuation"}, {"filter": "identical"}, {"filter": "language"}]


def made(num_pairs: int) -> Iterator[tuple[str, str]]:
    """So many pairs, the same each time."""
    source = BundledSource(format="bundled", source_lang="en", target_lang="de")
    rows = [row for batch in raw_pairs(source) for row in batch.to_pylist()]
    verses = [(row["source"], row["target"]) for row in rows if row["source"] and row["target"]]
    words = [sorted({word for pair in verses for word in pair[side].split()}) for side in (0, 1)]
    chance = random.Random(1)
    for number in range(num_pairs):
        pair = [*verses[number % len(verses)]]
        kind = chance.random()
        if number >= len(verses) and kind > 0.1:  # one pair in ten is a duplicate
            for side in (0, 1):
                own = pair[side].split(" ")
                for _ in range(3):
                    own[chance.randrange(len(own))] = chance.choice(words[side])
                pair[side] = " ".join(own)
        if kind > 0.97:
            pair[1] = pair[1][: len(pair[1]) // 5]
        elif kind > 0.94:
            pair[0] += f" {number} {number // 3}"
        elif kind > 0.92:
            pair[1] += " \u25a0\u25a0\u25a0 %%%% ... ... ... Ж"
        yield pair[0], pair[1]


def write_text(folder: Path, num_pairs: int) -> None:
    """The made text as two files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "text.en").open("w", encoding="utf-8") as left,
        (folder / "text.de").open("w", encoding="utf-8") as right,
    ):
        for source, target in made(num_pairs):
            left.write(f"{source}\n")
            right.write(f"{target}\n")


def build(text: Path, home: Path, workers: int, filters: list[dict[str, Any]]) -> dict[str, Any]:
    """Build the corpus of a text with a home of its own; its result, and the seconds of the whole job.

    Raises:
        UserError: it failed.
    """
    source = {"format": "moses", "source_lang": "en", "target_lang": "de"}
    source |= {"source": str(text / "text.en"), "target": str(text / "text.de")}
    config = home.with_suffix(".yaml")
    config.write_text(written_yaml({"corpus": {"sources": [source], "filters": filters}}), encoding="utf-8")
    output = home / "built"
    settings = [f"home={home}", f"output.dir={output}", f"cluster.num_cpus={workers}"]
    command = [sys.executable, str(ROOT / "jobs" / "corpus.py"), "build", "--config", str(config), *settings]
    seconds = call(command, workers)
    result: dict[str, Any] = json.loads((output / "result.json").read_text(encoding="utf-8"))
    return result | {"whole_seconds": seconds}


def opusfilter(program: str, text: Path, folder: Path, workers: int) -> float:
    """Let OpusFilter remove duplicates and filter the same text; its seconds.

    Raises:
        UserError: it failed.
    """
    names = {"inputs": ["text.en", "text.de"], "outputs": ["unique.en", "unique.de"]}
    steps = [
        {"type": "remove_duplicates", "parameters": names},
        {
            "type": "filter",
            "parameters": {
                "inputs": names["outputs"],
                "outputs": ["kept.en", "kept.de"],
                "filters": [theirs for _, theirs in FILTERS],
            },
        },
    ]
    config = folder / "opusfilter.yaml"
    config.write_text(written_yaml({"common": {"output_directory": str(text)}, "steps": steps}), encoding="utf-8")
    return call([program, "--overwrite", "--n-jobs", str(workers), str(config)], workers)


def call(command: Sequence[str], workers: int) -> float:
    """Run a command on as many cores as there are workers; its seconds.

    Raises:
        UserError: it failed.
    """
    cores = sorted(os.sched_getaffinity(0))[:workers]
    started = time.monotonic()
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise UserError(f"{' '.join(command)} ended with {done.returncode}: {' '.join(last)}")
    return time.monotonic() - started


def figures_of(result: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a result."""
    rows = sum(source["rows"] for source in result["sources"])
    return {
        "pairs": rows,
        "kept": sum(own["train"] + own["held_out"] for own in result["pairs"].values()),
        "rejected": result["rejected"],
        "pairs_per_second": round(rows / result["seconds"]["corpus"]),
        "seconds": result["seconds"],
        "whole_seconds": round(result["whole_seconds"], 1),
        "peak_bytes": result["peak_bytes"],
    }


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "workers": options.workers}
    ours = [*(own for own, _ in FILTERS), *OURS_ALONE, {"filter": "duplicates"}]
    if options.opusfilter:
        write_text(folder / "rival", options.rival_pairs)
        same = [{"filter": "duplicates"}, *(own for own, _ in FILTERS)]
        turns = []
        for number in range(options.repeat):
            say(f"turn {number + 1} of {options.repeat}, {options.rival_pairs:,} pairs: this project")
            own = build(folder / "rival", folder / f"turn-{number}", options.workers, same)
            say(f"turn {number + 1} of {options.repeat}: OpusFilter")
            theirs = opusfilter(options.opusfilter, folder / "rival", folder, options.workers)
            kept = sum(1 for _ in (folder / "rival" / "kept.en").open("rb"))
            turns.append({**figures_of(own), "opusfilter_seconds": round(theirs, 1), "opusfilter_kept": kept})
        figures["beside_opusfilter"] = {
            "turns": turns,
            "speedup": statistics.median(turn["opusfilter_seconds"] / turn["seconds"]["corpus"] for turn in turns),
            "speedup_of_the_whole_job": statistics.median(
                turn["opusfilter_seconds"] / turn["whole_seconds"] for turn in turns
            ),
        }
        keep(options.json, figures)
    if options.memory:
        say(f"{options.pairs // 10:,} pairs, all filters")
        write_text(folder / "tenth", options.pairs // 10)
        figures["tenth"] = figures_of(build(folder / "tenth", folder / "of-tenth", options.workers, ours))
        keep(options.json, figures)
    say(f"writing {options.pairs:,} pairs")
    write_text(folder / "all", options.pairs)
    for workers in dict.fromkeys([options.workers, *options.also_with]):
        say(f"{options.pairs:,} pairs, all filters, {workers} workers")
        figures[f"all_{workers}_workers"] = figures_of(build(folder / "all", folder / f"of-{workers}", workers, ours))
        keep(options.json, figures)
    if options.memory:
        peaks = [figures[name]["peak_bytes"] for name in (f"all_{options.workers}_workers", "tenth")]
        figures["peak_at_ten_times_the_text"] = round(peaks[0] / peaks[1], 3)
    return figures


def keep(file: Path, figures: dict[str, Any]) -> None:
    """Write the figures so far."""
    file.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="where the figures go")
    parser.add_argument(
        "--pairs", type=int, default=5_000_000, metavar="N", help="pairs of the text; default: 5 million"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="cores, and CPUs of the cluster")
    parser.add_argument("--also-with", type=int, nargs="*", default=[], metavar="N", help="other numbers of workers")
    parser.add_argument("--memory", action="store_true", help="a tenth of the text as well, for its memory")
    parser.add_argument("--opusfilter", metavar="COMMAND", help="the program opusfilter, to run beside")
    parser.add_argument("--rival-pairs", type=int, default=50_000, metavar="N", help="pairs of the runs beside it")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="turns beside it")
    options = parser.parse_args(arguments)
    for workers in (options.workers, *options.also_with):
        check_cores("--workers", workers)
    for key, value in (
        ("--pairs", options.pairs),
        ("--rival-pairs", options.rival_pairs),
        ("--repeat", options.repeat),
    ):
        if value < 1:
            raise UserError(f"{key} {value}: a number of 1 or more is expected.")
    check_json(options.json)
    with tempfile.TemporaryDirectory(prefix="weam-ray-bench-") as name:
        figures = measure(Path(name), options)
    keep(options.json, figures)
    print(json.dumps(figures, indent=1))
    print(f"Results: {options.json}")


if __name__ == "__main__":
    cli.run(run)
