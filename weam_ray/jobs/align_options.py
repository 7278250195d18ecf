"""The command line of the alignment job, and the configuration that it stands for."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weam_ray.align.model_folder import read_manifest
from weam_ray.align.symmetrize import METHODS
from weam_ray.errors import UserError
from weam_ray.jobs.align import Wishes
from weam_ray.settings.config import Config, load_config, make_config

# a corpus whose words are given is taken as it is, but for pairs that no aligner can use
GIVEN_WORDS = {"segmentation": "whitespace", "keep_identical": True, "max_words": 2_000}
ROWS_PER_SHARD = 8_000
SOURCE_OPTIONS = (
    "input", "format", "source_lang", "target_lang", "source_column", "target_column", "header", "links",
)  # fmt: skip


def align_parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Overrides: any key of the configuration, such as align.iterations=8 or cluster.data_cpus=2.",
    )
    source = parser.add_argument_group("parallel text: one source, or a configuration with several")
    source.add_argument("--input", nargs="+", metavar="FILE", help="the text; for moses two, or PREFIX of PREFIX.LANG")
    source.add_argument("--format", choices=("pipes", "moses", "tsv", "parquet"), help="pipes: `source ||| target`")
    source.add_argument("--source-lang", metavar="CODE")
    source.add_argument("--target-lang", metavar="CODE")
    source.add_argument(
        "--source-column", metavar="COLUMN", help="tsv: a number from 0; parquet: a name, or NAME.FIELD"
    )
    source.add_argument("--target-column", metavar="COLUMN")
    source.add_argument(
        "--header", action=argparse.BooleanOptionalAction, help="tsv: line 1 is a heading; default: if it names columns"
    )
    source.add_argument("--config", metavar="FILE|NAME", help="a configuration; each of its pairs has a model")
    model = parser.add_argument_group("model")
    model.add_argument("--aligner", choices=("fast_align", "eflomal", "pharaoh"), help="default: fast_align")
    model.add_argument("--links", metavar="FILE", help="the links that `--aligner pharaoh` takes, a line a pair")
    model.add_argument("--model", metavar="DIR", help="align with this fitted model, and fit none")
    model.add_argument("--segmentation", choices=("whitespace", "words"), help="default: words, whitespace for pipes")
    model.add_argument(
        "--lowercase", action=argparse.BooleanOptionalAction, help="compare words in lower case; not for pipes"
    )
    model.add_argument("--num-shards", type=int, metavar="N", help="shards of a language pair; changes no result")
    output = parser.add_argument_group("results")
    output.add_argument("--output", metavar="DIR", help="folder for links.pharaoh, aligned/, model/, result.json")
    output.add_argument("--symmetrization", choices=METHODS, help="default: grow-diag-final-and")
    output.add_argument("--scores", action="store_true", help="also forward.pharaoh and reverse.pharaoh, with scores")
    output.add_argument("--picture", type=int, action="append", default=[], metavar="LINE", help="draw this line")
    gold = parser.add_argument_group("gold links, `i-j` sure and `ipj` possible")
    gold.add_argument("--gold", metavar="FILE", help="a line for every pair, or for the last ones")
    gold.add_argument("--gold-one-based", action="store_true", help="words are counted from 1")
    gold.add_argument("--gold-lines", metavar="START:END", help="its lines of the input, as a Python slice")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="settings that go before all others")
    return parser


def join_ranges(arguments: Sequence[str]) -> list[str]:
    """`--gold-lines -447:` as one argument; the parser takes what begins with a dash for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--gold-lines":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def wishes(options: argparse.Namespace) -> Wishes:
    gold = None if options.gold is None else Path(options.gold).expanduser()
    if gold is not None and not gold.is_file():
        raise UserError(f"--gold: there is no file {str(gold)!r}.")
    if gold is None and (options.gold_one_based or options.gold_lines):
        raise UserError("--gold-one-based and --gold-lines say how to read the file of --gold; name one.")
    if any(line < 1 for line in options.picture):
        raise UserError(f"--picture {min(options.picture)}: lines are counted from 1.")
    return Wishes(options.scores, tuple(options.picture), gold, options.gold_one_based, options.gold_lines)


def align_config(options: argparse.Namespace) -> Config:
    """The configuration of the options.

    Raises:
        UserError: options that are missing or that contradict each other, or a wrong value.
    """
    if options.config is not None:
        given = [name for name in SOURCE_OPTIONS if getattr(options, name) is not None]
        if given:
            raise UserError(f"--config names the sources; leave out --{given[0].replace('_', '-')}.")
        return load_config(options.config, [*flag_overrides(options), *options.overrides])
    missing = [name for name in ("input", "format", "source_lang", "target_lang") if getattr(options, name) is None]
    if missing:
        raise UserError(f"--{missing[0].replace('_', '-')} is missing; see --help.")
    tree: dict[str, Any] = {
        "name": "align",
        "corpus": {"sources": [source(options)], "held_out": 0, "rows_per_shard": ROWS_PER_SHARD},
        "align": {},
        "encode": {"symmetrization": "grow-diag-final-and"},
    }
    if options.format == "pipes":
        tree["corpus"] |= GIVEN_WORDS
        tree["align"]["lowercase"] = False
    if options.model is not None:  # its words were made in one way; an option that says another is an error later
        _, manifest = read_manifest(options.model)
        tree["corpus"]["segmentation"] = manifest["segmentation"]
        tree["align"] |= {"lowercase": manifest["lowercase"], "aligner": manifest["aligner"]}
    return make_config(tree, [*flag_overrides(options), *options.overrides])


def flag_overrides(options: argparse.Namespace) -> list[str]:
    """Options as overrides of the configuration."""
    keys = {
        "align.aligner": options.aligner,
        "align.model": options.model,
        "align.lowercase": options.lowercase,
        "align.num_shards": options.num_shards,
        "corpus.segmentation": options.segmentation,
        "encode.symmetrization": options.symmetrization,
        "output.dir": options.output,
    }
    return [f"{key}={json.dumps(value)}" for key, value in keys.items() if value is not None]


def source(options: argparse.Namespace) -> dict[str, Any]:
    """The one source of the options."""
    found: dict[str, Any] = {
        "format": options.format,
        "source_lang": options.source_lang,
        "target_lang": options.target_lang,
    }
    if options.links is not None:
        found["links"] = options.links
    for name in ("source_column", "target_column"):
        value = getattr(options, name)
        if value is not None:
            if options.format not in ("tsv", "parquet"):
                raise UserError(f"--{name.replace('_', '-')}: {options.format} has no columns.")
            if options.format == "tsv" and not value.isdecimal():
                raise UserError(f"--{name.replace('_', '-')} {value}: columns of tsv are counted from 0.")
            found[name] = int(value) if options.format == "tsv" else value
    if options.header is not None:
        if options.format != "tsv":
            raise UserError(f"--header: {options.format} has no heading; tsv may have one.")
        found["header"] = options.header
    if options.format == "moses":
        return found | dict(zip(("source", "target"), moses_files(options), strict=True))
    if len(options.input) > 1:
        raise UserError(f"--input: {options.format} takes one file, and {len(options.input)} are named.")
    return found | {"path": options.input[0]}


def moses_files(options: argparse.Namespace) -> list[str]:
    """Two files as they are named, or those that a prefix and the language codes name."""
    if len(options.input) > 2:
        raise UserError(f"--input: moses takes two files or a prefix, and {len(options.input)} are named.")
    if len(options.input) == 2:
        return options.input
    (prefix,) = options.input
    codes = options.source_lang, options.target_lang
    for ending in ("", ".gz", ".xz", ".bz2"):
        files = [f"{prefix}.{code}{ending}" for code in codes]
        if all(Path(file).expanduser().is_file() for file in files):
            return files
    raise UserError(
        f"--input {prefix}: moses takes two files, or the prefix of two; "
        f"there are no files {prefix}.{codes[0]} and {prefix}.{codes[1]}."
    )
