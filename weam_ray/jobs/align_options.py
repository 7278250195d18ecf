"""The configuration that the command line of the alignment job stands for."""

from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.jobs.command_line import Options
from weam_ray.jobs.flags import SOURCE
from weam_ray.settings.base import Role
from weam_ray.settings.config import Config, load_config, make_config
from weam_ray.settings.keys import keys_with

NAMED = ("csv", "jsonl", "parquet", "datasets")  # formats whose columns have names
# a corpus whose words are given is taken as it is, but for pairs that no aligner can use
GIVEN_WORDS = {"segmentation": "whitespace", "keep_identical": True, "max_words": 2_000}
ROWS_PER_SHARD = 8_000


def align_config(options: Options) -> Config:
    """The configuration of a command line.

    Raises:
        UserError: options that are missing or that contradict each other, or a wrong value.
    """
    of_source = {flag.name: flag.key.removeprefix(SOURCE) for flag in options.line.flags if flag.key.startswith(SOURCE)}
    given = {name: options.flags[name] for name in of_source if name in options.flags}
    if options.config is not None:
        if given:
            raise UserError(f"--config names the sources; leave out {next(iter(given))}.")
        return load_config(options.config, options.settings())
    for name in ("--input", "--format", "--source-lang", "--target-lang"):
        if not given.get(name):
            raise UserError(f"{name} is missing; see --help.")
    tree: dict[str, Any] = {
        "name": "align",
        "corpus": {"sources": [source(given)], "held_out": 0, "rows_per_shard": ROWS_PER_SHARD},
        "align": {},
        "encode": {"symmetrization": "grow-diag-final-and"},
    }
    if given["--format"] == "pipes":
        tree["corpus"] |= GIVEN_WORDS
        tree["align"]["lowercase"] = False
    model = options.flags.get("--model")
    if model is not None:  # its words were made in one way; an option that says another is an error later
        from weam_ray.align.model_folder import read_manifest

        _, manifest = read_manifest(model)
        for key in keys_with(Config, Role.MODEL):
            section, _, name = key.partition(".")
            tree[section][name] = manifest[name]
    return make_config(tree, options.settings())


def source(given: dict[str, Any]) -> dict[str, Any]:
    """The one source that flags name.

    Raises:
        UserError: flags that do not go with its format.
    """
    kind = given["--format"]
    found: dict[str, Any] = {
        "format": kind,
        "source_lang": given["--source-lang"],
        "target_lang": given["--target-lang"],
    }
    if "--links" in given:
        found["links"] = given["--links"]
    for name in ("--source-column", "--target-column"):
        if name not in given:
            continue
        value, key = given[name], name.removeprefix("--").replace("-", "_")
        if kind not in ("tsv", *NAMED):
            raise UserError(f"{name}: {kind} has no columns.")
        if kind == "tsv" and not value.isdecimal():
            raise UserError(f"{name} {value}: columns of tsv are counted from 0.")
        found[key] = int(value) if kind == "tsv" else value
    if "--header" in given:
        if kind != "tsv":
            raise UserError(f"--header: {kind} has no heading; tsv may have one.")
        found["header"] = given["--header"]
    files, codes = given["--input"], (given["--source-lang"], given["--target-lang"])
    if kind == "moses" and len(files) == 1 and files[0].endswith(".zip"):
        return found | {"format": "opus", "path": files[0]}
    if kind == "moses":
        return found | dict(zip(("source", "target"), moses_files(files, codes), strict=True))
    if len(files) > 1 and kind == "datasets":
        raise UserError(f"--input: {kind} takes one folder or name, and {len(files)} are named.")
    return found | {"path": files[0] if len(files) == 1 else files}


def moses_files(files: list[str], codes: tuple[str, str]) -> list[str]:
    """Two files as they are named, or those that a prefix and the language codes name.

    Raises:
        UserError: more than two files, or a prefix of none.
    """
    if len(files) > 2:
        raise UserError(f"--input: moses takes two files or a prefix, and {len(files)} are named.")
    if len(files) == 2:
        return files
    (prefix,) = files
    for ending in ("", ".gz", ".zst", ".xz", ".bz2"):
        pair = [f"{prefix}.{code}{ending}" for code in codes]
        if all(Path(file).expanduser().is_file() for file in pair):
            return pair
    raise UserError(
        f"--input {prefix}: moses takes two files, or the prefix of two; "
        f"there are no files {prefix}.{codes[0]} and {prefix}.{codes[1]}."
    )
