"""The one dialect of the jobs' command lines: `--config`, `--dry-run`, `--fresh`, flags, and `key.sub=value`."""

import argparse
import json
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from weam_ray.jobs.flags import SOURCE, CommandLine, Flag
from weam_ray.settings.base import Section
from weam_ray.settings.keys import Key, keys
from weam_ray.settings.page import help_text
from weam_ray.settings.sources import SOURCE_KINDS


@dataclass(frozen=True)
class Options:
    """A parsed command line.

    Attributes:
        config: the file or the shipped configuration; None where none is named.
        flags: the values of the flags that were given, by the names of the flags.
        overrides: what was written as `key.sub=value`, in its order.
        line: the command line that was parsed.
        action: which of the things that the job can do; None where it does one thing.
    """

    config: str | None
    dry_run: bool
    fresh: bool
    flags: dict[str, Any]
    overrides: list[str]
    line: CommandLine
    action: str | None = None

    def values(self) -> dict[str, Any]:
        """The values of the flags by key, but for those of the one source."""
        given = ((flag.key, self.flags.get(flag.name)) for flag in self.line.flags if not flag.key.startswith(SOURCE))
        return {key: value for key, value in given if key and value is not None}

    def settings(self) -> list[str]:
        """Flags and overrides as `key.sub=value`; what was written as a key comes last, and so overrides a flag."""
        return [*(f"{key}={json.dumps(value)}" for key, value in self.values().items()), *self.overrides]


def parse(line: CommandLine, description: str, arguments: Sequence[str], program: str | None = None) -> Options:
    """Parse the arguments of a job; `--help` and mistakes of form end the process, as argparse has it."""
    found = parser(line, description, program).parse_intermixed_args(with_dashes(arguments, line.flags))
    given = {flag.name: getattr(found, flag.destination) for flag in line.flags}
    flags = {name: value for name, value in given.items() if value is not None}
    action = found.action if line.actions else None
    return Options(found.config, found.dry_run, found.fresh, flags, [*found.among, *found.overrides], line, action)


def parser(line: CommandLine, description: str, program: str | None = None) -> argparse.ArgumentParser:
    """The parser of a job's command line."""
    result = Parser(line.settings, prog=program, description=description)
    if line.actions:
        about = "; ".join(f"{name}: {what}" for name, what in line.actions.items())
        result.add_argument("action", choices=[*line.actions], help=f"What to do. {about}.")
    result.add_argument(
        line.config_flag, dest="config", default=line.config, metavar="FILE|NAME", help=line.config_help
    )
    result.add_argument("--dry-run", action="store_true", help="Print what would happen, and do nothing.")
    result.add_argument("--fresh", action="store_true", help="Take a new numbered folder, whatever is there.")
    known = known_keys(line.settings)
    for title, flags in line.groups.items():
        group = result.add_argument_group(title)
        for flag in flags:
            add(group, flag, known.get(flag.key))
    result.add_argument(
        "overrides",
        nargs="*",
        metavar="key.sub=value",
        help=f"A setting, which overrides flags and the file of {line.config_flag}.",
    )
    result.set_defaults(among=[])
    return result


class Parser(argparse.ArgumentParser):
    """A parser whose help ends with every key of the settings."""

    def __init__(self, settings: type[Section], **more: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **more)
        self.settings = settings

    def format_help(self) -> str:
        width = min(100, shutil.get_terminal_size().columns - 2)
        self.description = textwrap.fill(self.description or "", width)
        self.epilog = help_text(self.settings, width)
        return super().format_help()


class Words(argparse.Action):
    """Takes the words that follow a flag, but for settings among them: `--model a b recipe.epochs=2`."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        words = [word for word in values if not is_override(word)]
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or []), *words])
        namespace.among = [*namespace.among, *(word for word in values if is_override(word))]


def is_override(word: str) -> bool:
    """Whether a word of a command line is a setting; a path may have the sign `=` after its first `/` only."""
    key, equals, _ = word.partition("=")
    return bool(key and equals) and "/" not in key


def known_keys(root: type[Section]) -> dict[str, Key]:
    """The keys that flags may write: those of the settings, and those of a source by `corpus.sources[]`.

    Formats may have keys of one name; the first of them says what a flag takes.
    """
    of_sources = [key for kind in SOURCE_KINDS for key in keys(kind, SOURCE)]
    return {key.name: key for key in (*reversed(of_sources), *keys(root))}


def add(group: Any, flag: Flag, key: Key | None) -> None:
    """Add a flag to a group of arguments; what it takes follows from the type of its key."""
    about: dict[str, Any] = {"dest": flag.destination, "default": None}
    known = f" [{key.name}]" if key and not key.name.startswith(SOURCE) else ""
    about["help"] = f"{flag.help or (key.sentence if key else '')}{known}".replace("%", "%%")
    kind, choices = plain_type(key, flag)
    if kind is bool and key is not None:
        if key.default == "false":
            group.add_argument(flag.name, action="store_const", const=True, **about)
        else:
            group.add_argument(flag.name, action=argparse.BooleanOptionalAction, **about)
        return
    if choices:
        about["choices"] = choices
    if flag.metavar or not choices:  # many choices are too wide for a metavar
        about["metavar"] = flag.metavar
    if flag.several == "words":
        about |= {"nargs": "+", "action": Words}
    elif flag.several == "again":
        about |= {"type": kind, "action": "append"}
    else:
        about["type"] = split if flag.several == "commas" else kind
    group.add_argument(flag.name, **about)


def plain_type(key: Key | None, flag: Flag) -> tuple[type, tuple[str, ...]]:
    """What one value of a flag is, and the values that there are if they are few."""
    annotation: Any = str if key is None or flag.choices else key.field.annotation
    while get_origin(annotation) not in (None, Literal):
        annotation = get_args(annotation)[0]  # of `X | None`, a list of X, or an annotated X
    choices = get_args(annotation) if get_origin(annotation) is Literal else flag.choices
    return (annotation if isinstance(annotation, type) else str), choices


def split(text: str) -> list[str]:
    """The parts of a list that is written with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def with_dashes(arguments: Sequence[str], flags: Sequence[Flag]) -> list[str]:
    """`--flag -value` as `--flag=-value`, for flags whose values may begin with a dash; argparse takes such a value for
    an option.
    """
    dashed = {flag.name for flag in flags if flag.dashed}
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in dashed:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
