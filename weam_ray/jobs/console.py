"""The command `weam-ray COMMAND ...`. The files of `jobs/` start the same commands, with their checkout as home.

What a command needs is imported when its arguments are understood, so that `--help` and mistakes come at once.
"""

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from weam_ray import cli
from weam_ray.jobs.command_line import Options, parse
from weam_ray.jobs.flags import ALIGN, COMPARE, CORPUS, EVALUATE, PRETRAIN, STUDY, TUNE, CommandLine
from weam_ray.settings.config import load_config
from weam_ray.settings.paths import absolute
from weam_ray.settings.study import load_study

PROGRAM = "weam-ray"
LANGUAGES = ("de", "es", "fr", "ru", "tl")  # of the bundled corpus, beside English


@dataclass(frozen=True)
class Call:
    """A command as it is called.

    Attributes:
        home: the folder of `runs/` and `stages/`, unless a setting or WEAM_RAY_HOME says otherwise.
        program: what usage lines call the command; None: by the file that was started.
    """

    arguments: Sequence[str]
    home: Path
    program: str | None = None

    def parsed(self, line: CommandLine, command: Callable[["Call"], None]) -> Options:
        """The options of the command line; `--help` and mistakes of form end the process."""
        return parse(line, sentence_of(command), self.arguments, self.program)


class Job(Protocol):
    """A job whose settings are checked."""

    def preview(self) -> None:
        """Print what would happen, and do nothing."""

    def run(self) -> object:
        """Run it to its end."""


def start(job: Job, options: Options) -> None:
    """Run a job, or print what it would do."""
    if options.dry_run:
        job.preview()
    else:
        job.run()


def pretrain(call: Call) -> None:
    """Pre-train an encoder on parallel text: align, encode, train, export, measure."""
    options = call.parsed(PRETRAIN, pretrain)
    config = load_config(options.config or "", options.settings())
    from weam_ray.jobs.pretrain import Pretraining

    start(Pretraining.of(config, call.home, options.fresh), options)


def corpus(call: Call) -> None:
    """Look at the sources of a corpus, or build it: read, filter, hold out, count, describe, export."""
    options = call.parsed(CORPUS, corpus)
    config = load_config(options.config or "", options.settings())
    from weam_ray.jobs.corpus import CorpusJob

    start(CorpusJob.of(options.action or "", config, call.home, options.fresh), options)


def align(call: Call) -> None:
    """Align the words of parallel text: fit one model on all of it, link every pair, and compare with gold links."""
    options = call.parsed(ALIGN, align)
    from weam_ray.jobs.align_options import align_config

    config = align_config(options)
    from weam_ray.jobs.align import Alignment

    start(Alignment.of(config, call.home, options.fresh), options)


def evaluate(call: Call) -> None:
    """Evaluate an encoder: fine-tune on English or translations, and score XTREME's tasks."""
    options = call.parsed(EVALUATE, evaluate)
    if COMPARE in options.flags:
        from weam_ray.jobs.compare import compare_folders

        compare_folders(options.flags[COMPARE], options.flags.get("--output"))
        return
    from weam_ray.jobs.evaluate import EvaluationJob
    from weam_ray.jobs.evaluate_options import evaluation_settings

    start(EvaluationJob.of(evaluation_settings(options), call.home, options.fresh), options)


def tune(call: Call) -> None:
    """Search settings of pre-training: each trial is a training, and trials are compared on held-out pairs."""
    options = call.parsed(TUNE, tune)
    config = load_config(options.config or "", options.settings())
    from weam_ray.jobs.tune import SearchJob

    start(SearchJob.of(config, call.home, options.fresh), options)


def study(call: Call) -> None:
    """Run a study: pre-train and evaluate systems over seeds, tasks and languages, and answer claims about them."""
    options = call.parsed(STUDY, study)
    settings = load_study(options.config or "", options.settings())
    from weam_ray.jobs.study import StudyJob

    start(StudyJob.of(settings, call.home, options.fresh), options)


def compare(call: Call) -> None:
    """Compare finished evaluations, each with the first; --output DIR keeps tables and a picture."""
    parser = argparse.ArgumentParser(call.program, description=sentence_of(compare))
    parser.add_argument("folders", nargs="+", metavar="DIR", help="the --output of an evaluation")
    parser.add_argument("--output", metavar="DIR", help="folder for comparison.json, comparison.md, comparison.png")
    options = parser.parse_intermixed_args(call.arguments)
    from weam_ray.jobs.compare import compare_folders

    compare_folders(options.folders, options.output)


def example(call: Call) -> None:
    """Write the example files of the tutorial: one language pair of the bundled verses."""
    parser = argparse.ArgumentParser(call.program, description=sentence_of(example))
    parser.add_argument("folder", metavar="FOLDER", help="a new or empty folder for the files")
    parser.add_argument("--language", default="tl", choices=LANGUAGES, help="the language beside English; default: tl")
    options = parser.parse_intermixed_args(call.arguments)
    from weam_ray.jobs.example import write_example

    write_example(options.language, Path(absolute(options.folder)))


# by the names that users give: a new command is one more here
COMMANDS: dict[str, Callable[[Call], None]] = {
    command.__name__: command for command in (pretrain, corpus, align, evaluate, tune, study, compare, example)
}


def sentence_of(command: Callable[[Call], None]) -> str:
    """What a command does."""
    return (command.__doc__ or "").strip()


def main() -> None:
    """Run `weam-ray`; the current folder is the home."""
    listed = "\n".join(
        textwrap.fill(f"  {name:10s}{sentence_of(command)}", 78, subsequent_indent=" " * 12)
        for name, command in COMMANDS.items()
    )
    parser = argparse.ArgumentParser(
        PROGRAM,
        description="Cross-lingual alignment pre-training on Ray.",
        epilog=f"commands:\n{listed}\n\n`{PROGRAM} COMMAND --help` lists the flags and settings of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="what to do")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    if len(sys.argv) == 1:
        parser.print_help()
        raise SystemExit(2)
    given = parser.parse_args()
    run(given.command, Path.cwd(), given.arguments, f"{PROGRAM} {given.command}")


def run(name: str, home: Path, arguments: Sequence[str] | None = None, program: str | None = None) -> None:
    """Run a command and end the process: 0 when it is done, 2 with a sentence for a user's mistake."""
    command = COMMANDS[name]
    words = sys.argv[1:] if arguments is None else arguments
    cli.run(partial(_call, command, home, program), words)


def _call(command: Callable[[Call], None], home: Path, program: str | None, arguments: Sequence[str]) -> None:
    command(Call(arguments, home, program))
