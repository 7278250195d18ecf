"""All keys as a page of Markdown, and as the help of a command: `python -m weam_ray.settings.page` prints the page."""

import inspect
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weam_ray.settings.base import Role, Section
from weam_ray.settings.config import Config
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.evaluation import EvaluationSettings, OwnTask, Recipe
from weam_ray.settings.filters import FILTER_KINDS
from weam_ray.settings.keys import REQUIRED, Key, keys, sections
from weam_ray.settings.sources import SOURCE_KINDS
from weam_ray.settings.study import Arm, Claim, Contrast, LowResource, StudySettings

REGENERATE = "python -m weam_ray.settings.page > docs/configuration.md"
INTRODUCTION = f"""# Configuration

<!-- Made by `{REGENERATE}`; changes belong into weam_ray/settings/. -->

Every key can stand in a YAML file (`--config FILE`), or on the command line as `key.sub=value`, whose value is read as
YAML too; an override on the command line overrides the file. An unknown key, a wrong type or a value out of its range
ends a job with a sentence before anything is done. `--dry-run` shows the values that a job would use.
"""
CONFIG = """## Pre-training, search and alignment

The keys of `jobs/pretrain.py`, `jobs/tune.py` and `jobs/align.py`, which share one tree. The shipped configurations
`bundled` (the default of pre-training and search), `paper` and `lab` set some of them. `objective=NAME` and
`encoder=NAME` are short for `objective.name=NAME` and `encoder.name=NAME`.
"""
EVALUATION = """## Evaluation

The keys of `jobs/evaluate.py`. `recipe.KEY=value` sets a key of the recipe for every task, `TASK.KEY=value` for one.
"""
STUDY = """## Study

The keys of `jobs/study.py`, in a file of `--study FILE`. [The page on studies](study.md) says how they go together.
"""
OF_STUDIES: dict[str, type[Section]] = {
    "a claim of `claims`": Claim,
    "an arm": Arm,
    "a contrast": Contrast,
    "low_resource": LowResource,
}
ROLES = """## Roles

What a key counts for. A fingerprint names every stage and every run: what has the same is not computed again.
"""


@dataclass(frozen=True)
class Chapter:
    """Keys that stand together: those of a section, of a format of sources, of a kind of filter, or of a recipe."""

    title: str
    text: str
    keys: list[Key]


def chapters(root: type[Section]) -> Iterator[Chapter]:
    """The keys of a tree of settings, section by section, with what may stand inside of their values."""
    for name, section in sections(root):
        found = [key for key in keys(root) if key.name.rpartition(".")[0] == name]
        yield Chapter(name, text_of(section), found)
        if section is CorpusSection:
            yield from kinds("a source of the format", SOURCE_KINDS, "format")
            yield from kinds("a filter of the kind", FILTER_KINDS, "filter")
        if section is EvaluationSettings:
            yield Chapter("recipe", text_of(Recipe), list(keys(Recipe, "recipe.")))
            own = [key for key in keys(OwnTask, "own_tasks.NAME.") if key.section is OwnTask]
            yield Chapter("own_tasks.NAME", text_of(OwnTask), own)
        if section is StudySettings:
            for title, part in OF_STUDIES.items():
                yield Chapter(title, text_of(part), list(keys(part)))


def kinds(title: str, sections: Iterable[type[Section]], tag: str) -> Iterator[Chapter]:
    """The keys of what stands in a list, kind by kind, of which the key `tag` has the name."""
    for kind in sections:
        own = sorted(keys(kind), key=lambda key: key.name != tag)
        yield Chapter(f"{title} {own[0].type}", text_of(kind), own)


def text_of(section: type[Section]) -> str:
    """What a section is, from its docstring, each paragraph in one line."""
    paragraphs = (inspect.getdoc(section) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def page() -> str:
    """The page `docs/configuration.md`."""
    parts = [INTRODUCTION, CONFIG, *written(Config), EVALUATION, *written(EvaluationSettings)]
    parts += [STUDY, *written(StudySettings), ROLES]
    rows = [f"| {role.name.lower()} | {role.value} |" for role in Role]
    return "\n".join([*parts, "| role | what it says |", "|---|---|", *rows, ""])


def written(root: type[Section]) -> Iterator[str]:
    """The chapters of a tree as Markdown."""
    for chapter in chapters(root):
        if not chapter.keys:
            continue
        if chapter.title:
            yield f"### {chapter.title}\n\n{chapter.text}\n"
        yield "| key | what | type | default | role |\n|---|---|---|---|---|"
        for key in chapter.keys:
            default = "" if key.default == REQUIRED else f"`{key.default}`"
            roles = ", ".join(role.name.lower() for role in key.roles)
            cells = [f"`{key.name}`", key.sentence, f"{key.type}{'; required' if not default else ''}", default, roles]
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        yield ""


def help_text(root: type[Section], width: int) -> str:
    """The same for a terminal of so many columns, without roles."""
    about = (
        "settings, as key=value here or as keys of a YAML file (--config). The defaults are those of the keys; a "
        "configuration, the shipped ones too, and the flags above may set others, and --dry-run prints what is used:"
    )
    lines = textwrap.wrap(about, width)
    for chapter in chapters(root):
        if chapter.title:
            about = chapter.text.split("\n\n", maxsplit=1)[0]
            lines += ["", *textwrap.wrap(f"{chapter.title}: {about}", width, subsequent_indent="  ")]
        for key in chapter.keys:
            default = key.default if key.default == REQUIRED else f"default {key.default}"
            lines += textwrap.wrap(
                f"{key.name} ({key.type}; {default})",
                width,
                initial_indent="  ",
                subsequent_indent="      ",
                break_on_hyphens=False,
            )
            indent = " " * 6
            lines += textwrap.wrap(key.sentence, width, initial_indent=indent, subsequent_indent=indent)
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
