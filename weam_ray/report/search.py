"""A search as tables and pictures: how it went on, what each setting did, and which settings mattered."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
import pyarrow.parquet as pq
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from weam_ray.report.page import DOTS_PER_INCH, html_page
from weam_ray.search.ledger import COMPLETED, Ledger, Trial
from weam_ray.search.searcher import optuna_trial
from weam_ray.search.space import Space
from weam_ray.settings.search import metric_of
from weam_ray.train.phases import Phase

TABLE, PAGE = "trials.parquet", "search.html"
MOST_COLUMNS = 4  # of searched keys on a terminal
COUNTED = "These plots count trials from 0; everywhere else the first is trial 1."


def write_table(ledger: Ledger, space: Space, file: Path) -> Path:
    """A row a trial: `trial`, `state`, `value`, `steps`, `seconds` and those of each phase, the searched keys,
    `message`, `mlflow_run_id`.
    """
    trials = ledger.trials
    columns: dict[str, list[Any]] = {
        "trial": [trial.number for trial in trials],
        "state": [trial.state for trial in trials],
        "value": [trial.value for trial in trials],
        "steps": [trial.steps for trial in trials],
        "seconds": [trial.seconds for trial in trials],
        **{f"seconds_{name}": [trial.phases.get(name, 0.0) for trial in trials] for name in Phase},
        **{key: uniform([trial.values[key] for trial in trials]) for key in space.domains},
        "message": [trial.message for trial in trials],
        "mlflow_run_id": [trial.mlflow_run_id for trial in trials],
    }
    pq.write_table(pa.table(columns), file)
    return file


def uniform(values: list[Any]) -> list[Any]:
    """Values of one type, or as text."""
    kinds = {type(value) for value in values if value is not None}
    return values if len(kinds) <= 1 else [None if value is None else str(value) for value in values]


def print_trials(ledger: Ledger, space: Space, metric: str) -> None:
    """The trials, the best first; many searched keys share a column."""
    table = Table(title=f"{metric_of(metric).label} ({metric_of(metric).mode})", box=SIMPLE_HEAD)
    names = [key.rpartition(".")[2] for key in space.domains]
    keys = dict(zip(space.domains, names if len(set(names)) == len(names) else space.domains, strict=True))
    wide = len(keys) > MOST_COLUMNS
    for column in ("trial", "state", "value", "steps", "seconds"):
        table.add_column(column, justify="left" if column == "state" else "right", no_wrap=True)
    for column in ["settings"] if wide else keys.values():
        table.add_column(column.replace("_", " "), justify="left" if wide else "right", overflow="fold")
    for trial in ranked(ledger, metric):
        value = "" if trial.value is None else f"{trial.value:.4f}"
        searched = {name: cell(trial.values[key]) for key, name in keys.items()}
        settings = [", ".join(f"{name}={value}" for name, value in searched.items())] if wide else searched.values()
        table.add_row(str(trial.number), trial.state, value, f"{trial.steps:,}", f"{trial.seconds:.0f}", *settings)
    Console().print(table)


def print_phases(ledger: Ledger) -> None:
    """What the seconds of the trials went into: their steps, and the rest by phase."""
    table = Table(title="Seconds of the trials: their steps, and the rest", box=SIMPLE_HEAD)
    named = {Phase.WORKERS: "workers", Phase.ENGINE: "engine", Phase.HELD_OUT: "held-out"}
    for column in ("trial", "state", "steps", "rest", *named.values(), "other"):
        table.add_column(column, justify="left" if column == "state" else "right", no_wrap=column == "state")
    for trial in ledger.trials:
        steps = trial.phases.get(Phase.STEPS, 0.0)
        parts = [trial.phases.get(name, 0.0) for name in named]
        rest = trial.seconds - steps
        figures = [steps, rest, *parts, rest - sum(parts)]
        table.add_row(str(trial.number), trial.state, *(f"{seconds:.1f}" for seconds in figures))
    Console().print(table)


def ranked(ledger: Ledger, metric: str) -> list[Trial]:
    """Completed trials, the best first, then the others."""
    done = ledger.completed(metric_of(metric).mode)
    return [*done, *(trial for trial in ledger.trials if trial.state != COMPLETED)]


def cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_plots(ledger: Ledger, space: Space, metric: str, folder: Path) -> list[Path]:
    """PNG files of the optimisation history, slices, parallel coordinates and importances, and one HTML page of all.

    Importances need two completed trials with different values, so there may be none.
    """
    import matplotlib

    matplotlib.use("Agg")  # Optuna draws with pyplot, which looks for a display
    import matplotlib.pyplot as plt
    import optuna.visualization as pages
    import optuna.visualization.matplotlib as pictures
    from plotly.io import to_html

    label = metric_of(metric).label
    study = study_of(ledger, space, metric)
    files: list[Path] = []
    parts: list[str] = []
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # Optuna's word for all of its pictures
    warnings.filterwarnings("ignore", message="Attempting to set identical")  # an axis of a single completed trial
    for name, arguments in plots(study).items():
        draw: Callable[..., Any] = getattr(pictures, name)
        axes = draw(study, **arguments(label))
        figure = (axes.flat[0] if hasattr(axes, "flat") else axes).figure
        if name == "plot_slice":
            figure.set_size_inches(4.2 * len(space.domains) + 1, 4.5)
        else:
            figure.set_size_inches(9, 5)
        file = folder / f"{name.removeprefix('plot_')}.png"
        figure.savefig(file, dpi=DOTS_PER_INCH, bbox_inches="tight")
        plt.close(figure)
        files.append(file)
        page = getattr(pages, name)(study, **arguments(label.replace(", ", ",<br>")))
        page.update_layout(legend={"orientation": "h", "y": -0.25})  # beside the plot it would take most of the width
        parts.append(to_html(page, full_html=False, include_plotlyjs=not parts))
    text = html_page(folder.name, f"<p>{COUNTED}</p>{''.join(parts)}")
    (folder / PAGE).write_text(text, encoding="utf-8")
    return [*files, folder / PAGE]


def plots(study: optuna.Study) -> dict[str, Callable[[str], dict[str, Any]]]:
    """Optuna's plots that a study has enough trials for, and their arguments."""

    def named(label: str) -> dict[str, Any]:
        return {"target_name": label}

    found: dict[str, Callable[[str], dict[str, Any]]] = {
        "plot_optimization_history": named,
        "plot_slice": named,
        "plot_parallel_coordinate": named,
    }
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if len({trial.value for trial in done}) > 1 and len(done) > 2:

        def importances(label: str) -> dict[str, Any]:
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            return {"target_name": label, "evaluator": evaluator}

        found["plot_param_importances"] = importances
    return found


def study_of(ledger: Ledger, space: Space, metric: str) -> optuna.Study:
    """The ended trials as an Optuna study, for its plots; pruned ones do not count as results."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    direction = "maximize" if metric_of(metric).mode == "max" else "minimize"
    study = optuna.create_study(direction=direction, study_name=ledger.folder.name)
    for trial in ledger.ended():
        study.add_trial(optuna_trial(trial, space))
    return study
