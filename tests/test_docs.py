"""What README and the pages of `docs/` say: links, pictures, commands, keys and options are there."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from weam_ray import cli
from weam_ray.evaluate.tasks import TASKS
from weam_ray.jobs.align_options import align_config, align_parser, join_ranges
from weam_ray.jobs.evaluate_options import evaluate_parser, evaluation_settings
from weam_ray.jobs.example import example_files, example_parser
from weam_ray.settings.config import SHIPPED, Config, load_config
from weam_ray.settings.evaluation import EvaluationSettings, Recipe
from weam_ray.settings.parsing import flat_parameters

ROOT = Path(__file__).resolve().parents[1]
DRAWINGS = ROOT / "docs" / "drawings"
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:python jobs/(?P<script>\w+)\.py|(?<!\S)weam-ray (?P<command>[a-z]+))(?P<rest>.*)")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
KEY = re.compile(r"([a-z_]+(?:\.[a-z_]+)+)(?:=.*)?")


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The job and the arguments of each command that a page shows, in blocks and within sentences."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    shown = [line for line in text.splitlines() if line.startswith("    ")]
    for line in [*shown, *SPAN.findall(text)]:
        for found in COMMAND.finditer(line):
            yield found["script"] or found["command"], shlex.split(found["rest"], comments=True)


def check_command(job: str, arguments: list[str]) -> None:
    """Read a command line as its job does.

    Raises:
        UserError, SystemExit: the job would not take it.
    """
    if job in ("pretrain", "tune"):
        parser = cli.parser("")
        if job == "tune":
            for flag in ("--space", "--num-trials", "--max-concurrent"):
                parser.add_argument(flag)
        options = parser.parse_intermixed_args(arguments)
        load_config(options.config, options.overrides)
    elif job == "align":
        options = align_parser("").parse_args(join_ranges(arguments))
        if options.input or options.config:
            align_config(options)
    elif job == "evaluate":
        options = evaluate_parser("").parse_intermixed_args(arguments)
        if options.model:
            evaluation_settings(options)
    else:
        assert job == "example"
        example_parser().parse_args(arguments)


def known_keys() -> set[str]:
    """Every dotted key that a user may set, and every section."""
    trees = [load_config(file.stem).tree() for file in SHIPPED.glob("*.yaml")]
    keys = {key for tree in trees for key in flat_parameters(tree)} | {"corpus.sources"}
    keys |= {f"tracking.{key}" for key in EvaluationSettings.model_fields["tracking"].annotation.model_fields}
    keys |= {f"{task}.{key}" for task in ("recipe", *TASKS) for key in Recipe.model_fields}
    return keys


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that the tutorial works in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEAM_RAY_DATA_ROOT", str(tmp_path))
    example_files("tl", tmp_path / "my-pair")


def test_the_site_is_built_and_no_link_is_dead(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    found = subprocess.run(build, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "docs" / "drawings" / "exchange.svg").is_file()


def test_the_drawing_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(DRAWINGS / "exchange.py"))["drawing"]()
    assert made == (DRAWINGS / "exchange.svg").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_jobs_take_the_commands_that_are_shown(page: Path) -> None:
    for job, arguments in commands(page):
        check_command(job, arguments)


def test_all_jobs_are_shown() -> None:
    shown = {job for job, _ in commands(ROOT / "README.md")}
    assert shown >= {"pretrain", "align", "evaluate", "tune"}


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_keys_and_options_that_are_named_exist(page: Path) -> None:
    keys, sections = known_keys(), {*Config.model_fields, "recipe", *TASKS}
    helps = [parser.format_help() for parser in (cli.parser(""), align_parser(""), evaluate_parser(""))]
    helps += [file.read_text(encoding="utf-8") for file in (ROOT / "benchmarks").glob("*.py")]
    options = {"--space", "--num-trials", "--max-concurrent", *re.findall("--[a-z-]+", "".join(helps))}
    for span in SPAN.findall(page.read_text(encoding="utf-8")):
        for word in span.split():
            found = KEY.fullmatch(word)
            if found and found[1].partition(".")[0] in sections and not found[1].endswith((".html", ".json", ".yaml")):
                assert found[1] in keys, word
        if span.startswith("--"):
            assert span.split()[0] in options, span
