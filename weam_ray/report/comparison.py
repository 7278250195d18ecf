"""A comparison of evaluated systems for the terminal, as Markdown, and as a picture. No figure without its spread."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from weam_ray.evaluate.compare import SEEDS, Comparison, SystemPair, TaskComparison
from weam_ray.evaluate.statistics import (
    DIFFERENT,
    DIFFERENT_CHECKPOINTS,
    LEVEL,
    ONE_SEED,
    SAMPLING_ERROR,
    Interval,
    Row,
    SeedTest,
    Summary,
)
from weam_ray.report.page import MARK, figure_of, markdown_row, save_picture

WITHIN = "within the sampling error of the test set"


def print_comparison(comparison: Comparison) -> None:
    """A table for each pair of systems and task, and under it what it rests on."""
    console = Console()
    for pair in comparison.pairs:
        for task in pair.tasks:
            console.print(task_table(pair, task))
            for line in task_notes(pair, task):
                console.print(line, markup=False, highlight=False)
        for line in pair_notes(pair):
            console.print(line, markup=False, highlight=False)


def task_table(pair: SystemPair, task: TaskComparison) -> Table:
    table = Table(title=escape(task_title(pair, task)))
    for column in columns(pair):
        left = column in ("language", "verdict")
        table.add_column(escape(column), justify="left" if left else "right", overflow="fold")
    for row in task.languages.rows:
        table.add_row(*(escape(cell) for cell in cells(row, task)))
    if task.languages.average:
        table.add_section()
        table.add_row(*(escape(cell) for cell in cells(task.languages.average, task)))
    return table


def markdown(comparison: Comparison) -> str:
    """The same tables and notes as a Markdown document."""
    lines = ["# Comparison", ""]
    for pair in comparison.pairs:
        for task in pair.tasks:
            heads = columns(pair)
            rows = [*task.languages.rows, *([task.languages.average] if task.languages.average else [])]
            lines += [
                f"## {task_title(pair, task)}",
                "",
                markdown_row(heads),
                markdown_row(["---", *["---:"] * (len(heads) - 2), "---"]),
            ]
            lines += [markdown_row(cells(row, task)) for row in rows]
            lines += ["", *(f"- {note}" for note in task_notes(pair, task)), ""]
        if pair_notes(pair):
            lines += [f"## {pair.second.name} against {pair.first.name}", ""]
            lines += [*(f"- {note}" for note in pair_notes(pair)), ""]
    return "\n".join(lines)


def write_markdown(comparison: Comparison, file: Path) -> Path:
    file.write_text(markdown(comparison), encoding="utf-8")
    return file


def comparison_plot(comparison: Comparison, file: Path) -> Path:
    """Write a PNG: for each task the differences to the first system by language, with their 95 % intervals.

    Solid intervals are over seeds; dashed ones, where seeds give none, are the sampling error of the test set only. A
    filled point is called different.
    """
    from matplotlib.lines import Line2D

    tasks = list(dict.fromkeys(task.task for pair in comparison.pairs for task in pair.tasks))
    names = {task: _row_names(comparison, task) for task in tasks}
    width = max(6.0, 2 + 0.6 * max(len(found) for found in names.values()))
    figure = figure_of(width, 1 + 3 * len(tasks))
    panels = figure.subplots(len(tasks), 1, squeeze=False)
    for axes, name in zip(panels[:, 0], tasks, strict=True):
        axes.axhline(0, color="grey", linewidth=1)
        metric = ""
        for number, pair in enumerate(comparison.pairs):
            offset = 0.6 * ((number + 0.5) / len(comparison.pairs) - 0.5)
            for task in (task for task in pair.tasks if task.task == name):
                metric = _direction(task)
                for row in [*task.languages.rows, *([task.languages.average] if task.languages.average else [])]:
                    low, high = row.seeds.interval or row.examples.interval
                    place, colour = names[name].index(row.language) + offset, f"C{number}"
                    style = "-" if row.seeds.interval else "--"
                    axes.vlines(place, low, high, color=colour, linestyle=style)
                    face = colour if row.verdict.startswith(DIFFERENT) else "white"
                    axes.plot(place, row.seeds.difference, "o", color=colour, markerfacecolor=face)
        axes.set_xticks(range(len(names[name])), names[name], rotation=30, ha="right")
        axes.set(xlim=(-0.5, len(names[name]) - 0.5), ylabel="difference, points", title=_plain(f"{name}, {metric}"))
    first = comparison.pairs[0].first.name
    marks = [
        *(
            Line2D([], [], color=f"C{k}", marker="o", label=_plain(f"{pair.second.name} minus {first}{_caption(pair)}"))
            for k, pair in enumerate(comparison.pairs)
        ),
        Line2D([], [], color="black", label="95 % over seeds"),
        Line2D([], [], color="black", linestyle="--", label=f"95 %, {SAMPLING_ERROR}"),
        Line2D([], [], color="black", linestyle="", marker="o", markerfacecolor="white", label="not called different"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=8)
    return save_picture(figure, file)


def columns(pair: SystemPair) -> list[str]:
    """The heads of a table; the first and the last are of words."""
    names = [pair.first.name, pair.second.name]
    return ["language", *names, f"{names[1]} - {names[0]}", "d_z", "p", "p, Holm", "test set only", "verdict"]


def cells(row: Row, task: TaskComparison) -> list[str]:
    test, one = row.seeds, _one(task)
    own_p = test.p if task.decided_by == SEEDS else row.examples.p
    adjusted_p = row.adjusted_p
    verdict = row.verdict
    if verdict in (DIFFERENT, DIFFERENT_CHECKPOINTS) and row.examples.interval[0] <= 0 <= row.examples.interval[1]:
        verdict = f"{verdict}, {WITHIN}"
    return [
        row.language,
        marked(spread(row.first, one), is_low(row, task, 0)),
        marked(spread(row.second, one), is_low(row, task, 1)),
        difference(test, one),
        "-" if test.effect is None else f"{test.effect:.1f}",
        "-" if own_p is None else probability(own_p),
        "-" if adjusted_p is None else probability(adjusted_p),
        between(row.examples.interval),
        verdict,
    ]


def is_low(row: Row, task: TaskComparison, side: int) -> bool:
    """Whether the score of one of the systems is not above the majority class, or chance."""
    floor = task.floors(row.language)[side]
    return floor is not None and not task.lower_is_better and (row.first, row.second)[side].mean <= floor


def marked(text: str, mark: bool) -> str:
    return f"{text} {MARK}" if mark else text


def spread(score: Summary, one: str) -> str:
    """`61.3 ± 0.8`, the sample standard deviation over seeds; or `61.3 (one seed)`."""
    return f"{score.mean:.1f} ({one})" if score.std is None else f"{score.mean:.1f} ± {score.std:.1f}"


def difference(test: SeedTest, one: str) -> str:
    """`+1.2 [+0.4, +2.0]`, the 95 % interval over seeds; or why there is none."""
    if test.interval is None:
        return f"{test.difference:+.1f} ({one if test.num_seeds == 1 else 'no spread'})"
    return f"{test.difference:+.1f} {between(test.interval)}"


def between(interval: Interval) -> str:
    return f"[{interval[0]:+.1f}, {interval[1]:+.1f}]"


def probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def task_title(pair: SystemPair, task: TaskComparison) -> str:
    """The task, its metric and the systems; and that they are not alike beside the encoder, if they are not."""
    caption = "; NOT ALIKE in " + ", ".join(each.split(":")[0] for each in task.unlike) if task.unlike else ""
    return f"{task.task}, {_direction(task)}: {pair.second.name} against {pair.first.name}{caption}"


def task_notes(pair: SystemPair, task: TaskComparison) -> list[str]:
    """What the table of a task rests on, and what sums it up, as sentences."""
    found = task.languages
    test, one = found.rows[0].seeds, _one(task)
    notes = [f"Claim: {task.claim}.", f"Paired: {task.seeds}."]
    if task.unlike:
        notes.append(
            f"NOT ALIKE: beside the encoder they differ in {'; '.join(task.unlike)}. A difference may be of that."
        )
    if task.decided_by != SEEDS:
        notes.append(f"Seed spread: none. p is of the bootstrap over examples: {SAMPLING_ERROR}.")
    elif test.num_seeds == 1:
        notes.append(f"{ONE_SEED.capitalize()}.")
    else:
        notes.append(
            f"p is of the paired t test over {test.num_seeds} pairs of values; the test set is taken as given."
        )
    if task.decided_by != SEEDS or test.num_seeds > 1:
        notes.append(
            f"Called different where p is below {LEVEL} by Holm over the languages of this task ({len(found.rows)}). "
            "The averages over languages are a family of their own, of all tasks and pairs of systems compared here."
        )
    if test.num_seeds > 1 and test.smallest_p >= LEVEL:
        notes.append(
            f"With {test.num_seeds} seeds an exact sign-flip test reaches no p below {test.smallest_p:g}; the t test "
            "goes lower only by assuming that differences are normal."
        )
    notes.append("± is the standard deviation over seeds, [] after a difference its 95 % interval over seeds.")
    notes.append(f"The column 'test set only' has a 95 % interval of the difference: {SAMPLING_ERROR}.")
    rows = [*found.rows, *([found.average] if found.average else [])]
    if any(is_low(row, task, side) for row in rows for side in (0, 1)):
        notes.append(f"{MARK}: not above the majority class of the training data, or chance.")
    notes += [f"{row.language}: {row.seeds.note}." for row in found.rows if test.num_seeds > 1 and row.seeds.note]
    both = (pair.first.name, pair.second.name)
    if found.gap:
        gaps = ", ".join(f"{name} {spread(gap, one)}" for name, gap in zip(both, found.gap, strict=True))
        notes.append(f"Cross-lingual gap, English minus the mean of the others: {gaps}.")
    worst = zip(both, found.worst, strict=True)
    notes.append(
        "Worst language: " + ", ".join(f"{name} {code} {spread(score, one)}" for name, (code, score) in worst) + "."
    )
    return notes


def pair_notes(pair: SystemPair) -> list[str]:
    """What was left out of two systems."""
    return [
        *(f"Left out: {part}." for part in pair.left_out),
    ]


def _row_names(comparison: Comparison, task: str) -> list[str]:
    """Languages of any pair, then the average."""
    found = [each.languages for pair in comparison.pairs for each in pair.tasks if each.task == task]
    names = [row.language for each in found for row in each.rows]
    return list(dict.fromkeys([*names, *(each.average.language for each in found if each.average)]))


def _one(task: TaskComparison) -> str:
    return "one seed" if task.trained else "one model"


def _direction(task: TaskComparison) -> str:
    return f"{task.metric} in %, {'lower' if task.lower_is_better else 'higher'} is better"


def _caption(pair: SystemPair) -> str:
    """What the legend says of two systems that differ in more than the encoder."""
    return " (not alike)" if any(task.unlike for task in pair.tasks) else ""


def _plain(text: str) -> str:
    """Text in which a dollar sign starts no formula."""
    return text.replace("$", r"\$")
