"""What README and the pages of `docs/` say: links, pictures, commands, keys and options are there."""

import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import write_sib200
from weam_ray.evaluate.tasks import TASKS
from weam_ray.jobs.align_options import align_config
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.console import COMMANDS, Call
from weam_ray.jobs.evaluate_options import evaluation_settings
from weam_ray.jobs.flags import ALIGN, COMPARE, CORPUS, EVALUATE, PRETRAIN, STUDY, TUNE
from weam_ray.search.space import load_space, space_file
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.evaluation import EvaluationSettings, Recipe
from weam_ray.settings.keys import keys
from weam_ray.settings.parsing import flat_parameters
from weam_ray.settings.study import StudySettings, load_study
from weam_ray.store.home import Home
from weam_ray.study.check import check_study

LINES = {"pretrain": PRETRAIN, "corpus": CORPUS, "align": ALIGN, "evaluate": EVALUATE, "tune": TUNE, "study": STUDY}
ROOT = Path(__file__).resolve().parents[1]
DRAWINGS = ROOT / "docs" / "drawings"
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:python jobs/(?P<script>\w+)\.py|(?<!\S)weam-ray (?P<command>[a-z]+))(?P<rest>.*)")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
KEY = re.compile(r"([a-z_]+(?:\.[a-z_]+)+)(?:=.*)?")


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the job and the arguments of each command that a page shows, in blocks and within sentences."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    shown = [line for line in text.splitlines() if line.startswith("    ")]
    for line in [*shown, *SPAN.findall(text)]:
        for found in COMMAND.finditer(line):
            arguments = shlex.split(found["rest"], comments=True)
            if arguments:
                yield found["script"] or found["command"], arguments


def check_command(job: str, arguments: list[str]) -> None:
    """Read a command line as its job does; only the example files are really written.

    Raises:
        UserError, SystemExit: the job would not take it.
    """
    if job == "example":
        COMMANDS[job](Call(arguments, Path.cwd()))
        return
    if job == "compare":
        job, arguments = "evaluate", [COMPARE, *arguments]
    options = parse(LINES[job], "", arguments)
    if job == "corpus":
        load_config((options.config or "").replace("my.yaml", "bundled"), options.settings())
    elif job in ("pretrain", "tune"):
        left_by_a_search = (options.config or "").endswith("/best.yaml")
        config = load_config("bundled" if left_by_a_search else options.config or "", options.settings())
        if job == "tune":
            space = load_space(space_file(config.search.space, Path.cwd()))
            space.check(config, config.search.space)
            assert config.search.algorithm != "grid" or space.grid_size() >= config.search.num_trials
    elif job == "align":
        align_config(options)
    elif job == "study":
        load_study((options.config or "").replace("mine.yaml", "bundled"), options.settings())
    elif COMPARE not in options.flags:
        evaluation_settings(options)


def known_keys() -> set[str]:
    """Every dotted key that a user may set."""
    recipes = {f"{task}.{key}" for task in ("recipe", *TASKS) for key in Recipe.model_fields}
    return {key.name for root in (Config, EvaluationSettings, StudySettings) for key in keys(root)} | recipes


def test_the_site_is_built_and_no_link_is_dead(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    found = subprocess.run(build, check=False, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "docs" / "drawings" / "exchange.svg").is_file()


def test_the_drawing_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(DRAWINGS / "exchange.py"))["drawing"]()
    assert made == (DRAWINGS / "exchange.svg").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_jobs_take_the_commands_that_are_shown(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEAM_RAY_DATA_ROOT", str(tmp_path))
    for job, arguments in commands(page):
        check_command(job, arguments)


def test_each_control_differs_from_the_method_in_what_it_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEAM_RAY_DATA_ROOT", str(tmp_path))
    found = {}
    for job, arguments in commands(ROOT / "docs" / "pretraining.md"):
        if job == "pretrain" and any(own.startswith("output.dir=runs/") for own in arguments):
            options = parse(PRETRAIN, "", arguments)
            config = load_config(options.config or "", options.settings())
            found[Path(config.output.dir or "").name] = config
    method = found["weam"]
    settings = {name: flat_parameters(own.result_settings()) for name, own in found.items()}
    for name, keys_of_control in {
        "shuffled": {"encode.links"},
        "lambda-0": {"objective.lambda"},
        "longer": {"objective.name", "objective.lambda", "objective.normalize", "optimizer.learning_rate"},
    }.items():
        own, base = settings[name], settings["weam"]
        assert {key for key in own.keys() | base.keys() if own.get(key) != base.get(key)} == keys_of_control
    rates = [found[name].optimizer.learning_rate for name in ("weam", "longer")]
    assert rates[1] == pytest.approx(rates[0] * (1 + float(str(method.objective.lambda_))))
    assert found["longer"].objective.name == "tlm"
    for name, weights in (("random", "random"), ("plain", "pretrained")):
        own_config = found[name]
        assert (own_config.training.max_steps, own_config.encoder.weights) == (0, weights)
        assert own_config.encoder.name == "runs/weam/model"


def test_all_jobs_are_shown() -> None:
    shown = {job for job, _ in commands(ROOT / "README.md")}
    assert shown >= {"pretrain", "corpus", "align", "evaluate", "tune", "study"}


def test_the_study_that_is_shown_can_be_run(tmp_path: Path) -> None:
    write_sib200(tmp_path)
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "study.md").read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "mine.yaml"
    file.write_text(shown, encoding="utf-8")
    languages = "evaluation={tasks: [sib200, alignment], languages: [de, tl]}"  # of which the test has data
    settings = load_study(str(file), [f"data_root={tmp_path}", f"home={tmp_path}", languages])
    check_study(settings, Home.of(settings, tmp_path))


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_keys_and_options_that_are_named_exist(page: Path) -> None:
    keys_of_jobs, sections = known_keys(), {*Config.model_fields, "recipe", *TASKS}
    options = {"--config", "--dry-run", "--fresh", "--help"} | {
        flag.name for line in LINES.values() for flag in line.flags
    }
    options |= {line.config_flag for line in LINES.values()}
    for script in (*(ROOT / "benchmarks").glob("*.py"), ROOT / "weam_ray" / "jobs" / "console.py"):
        options |= set(re.findall(r"--[a-z-]+", script.read_text(encoding="utf-8")))
    for span in SPAN.findall(page.read_text(encoding="utf-8")):
        for word in span.split():
            found = KEY.fullmatch(word)
            if found and found[1].partition(".")[0] in sections and not found[1].endswith((".html", ".json", ".yaml")):
                assert found[1] in keys_of_jobs, word
        if span.startswith("--"):
            assert span.split()[0] in options, span
