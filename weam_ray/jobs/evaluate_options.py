"""The command line of the evaluation job, and the settings that it stands for."""

import argparse
import json
import os
from pathlib import Path
from typing import Any, get_args

from weam_ray.errors import UserError
from weam_ray.evaluate.run import ALIGNMENT
from weam_ray.evaluate.tasks import TASKS
from weam_ray.settings.evaluation import EvaluationSettings, Setting
from weam_ray.settings.parsing import apply_override, validated
from weam_ray.settings.paths import absolute


def evaluate_parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description,
        epilog="Overrides: recipe.KEY for every task, TASK.KEY for one (udpos.epochs=2), tracking.uri, home.",
    )
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="a run's model/, a Hugging Face folder or name; several: one for each seed, of one system",
    )
    parser.add_argument("--tasks", metavar="TASK,...", help=f"of {', '.join(TASKS)}, {ALIGNMENT}")
    parser.add_argument("--languages", metavar="CODE,...", help="XTREME's codes; English is always there; default: all")
    parser.add_argument("--setting", choices=get_args(Setting), default="zero-shot")
    parser.add_argument("--intermediate", metavar="TASK,...", help="tasks, or labelled .tsv files, to train on first")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="fine-tuning runs of each task; default 3")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="the first of them; default 1")
    parser.add_argument("--data-root", metavar="DIR", help="a folder for each task; default: WEAM_RAY_DATA_ROOT")
    parser.add_argument("--output", metavar="DIR", help="folder for result.json, report.html, predictions/")
    parser.add_argument("--system", metavar="NAME", help="what tables call it; default: from the model's path")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU cores of a run; default 1")
    parser.add_argument("--use-gpu", action="store_true", help="a GPU for each run")
    parser.add_argument("--compare", nargs="+", metavar="DIR", help="compare finished evaluations, each with the first")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="settings that go before all others")
    return parser


def split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def evaluation_settings(options: argparse.Namespace) -> EvaluationSettings:
    """The settings of the options.

    Raises:
        UserError: an option that is missing, an unknown key, a wrong value.
    """
    models = [model for model in options.model or [] if "=" not in model]
    overrides = [*(model for model in options.model or [] if "=" in model), *options.overrides]
    for name, given in (("--model", models), ("--tasks", options.tasks), ("--output", options.output)):
        if not given:
            raise UserError(f"{name} is missing.")
    tree: dict[str, Any] = {
        "system": options.system or system_name(models[0]),
        "models": models,
        "tasks": split(options.tasks),
        "languages": split(options.languages),
        "setting": options.setting,
        "intermediate": split(options.intermediate),
        "num_seeds": options.seeds,
        "first_seed": options.first_seed,
        "data_root": options.data_root or os.environ.get("WEAM_RAY_DATA_ROOT"),
        "output": options.output,
        "threads": options.threads,
        "use_gpu": options.use_gpu,
        "recipes": {},
    }
    tasks = {*tree["tasks"], *(Path(name).stem for name in tree["intermediate"])}
    for override in overrides:
        task = override.partition(".")[0]
        if task in {*TASKS, ALIGNMENT} - tasks:
            raise UserError(f"{override!r}: {task} is not among the tasks.")
        apply_override(tree["recipes"] if task in tasks else tree, override)
    return validated(EvaluationSettings, tree)


def system_name(model: str) -> str:
    """The name of a model; of a run's `model/`, that of the run."""
    path = Path(absolute(model))
    return path.parent.name if path.name == "model" else path.name


def compare_folders(options: argparse.Namespace) -> None:
    """Compare finished evaluations on the terminal, and in `--output` if it is given.

    Raises:
        UserError: folders that hold no evaluation, or evaluations that cannot be compared.
    """
    from weam_ray.evaluate.compare import compare
    from weam_ray.report.comparison import comparison_plot, print_comparison, write_markdown

    if len(options.compare) < 2:
        raise UserError("--compare: name two folders or more.")
    found = compare([Path(absolute(folder)) for folder in options.compare])
    print_comparison(found)
    if options.output:
        folder = Path(absolute(options.output))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comparison.json").write_text(json.dumps(found.tree(), indent=1), encoding="utf-8")
        write_markdown(found, folder / "comparison.md")
        comparison_plot(found, folder / "comparison.png")
        print(f"Results: {folder} (comparison.json, comparison.md, comparison.png)")
