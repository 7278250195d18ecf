"""The report of an evaluation: tables, notes, pictures; for the terminal, as Markdown, and as one HTML file."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.statistics import Examples, middle_95, resampled_scores
from weam_ray.evaluate.units import by_seeds
from weam_ray.report.data_used import data_lines, data_table
from weam_ray.report.layers import layer_curves, layer_tables, similarity_maps
from weam_ray.report.page import MARK, figure_of, html_page, markdown_table, picture_address, save_picture

ONE_CHECKPOINT = (
    "One checkpoint: the spread is that of fine-tuning seeds. A claim about a method takes several pre-trained models, "
    "one for each seed."
)
BENCHMARKS = "As XTREME and XTREME-R average: with English, questions by the mean of F1 and exact match"
DATA = "Data"
ROUNDING = 1e-9  # percentage points that are nothing
LAYERS = "Alignment by layer (0: embeddings; *: the layer of the figures above)"


@dataclass(frozen=True)
class Report:
    """What is told of an evaluation; `about` and `result` as its JSON files have them."""

    about: dict[str, Any]
    result: dict[str, dict[str, dict[str, Any]]]
    overview: dict[str, dict[str, Any]]
    folder: Path
    measured: list[dict[str, Any]]

    def tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        """Title and columns of each task, and its rows: the system, and what it is to be above where there is that."""
        found = []
        for task, languages in self.result.items():
            own = self.overview[task]
            own_training, trained = self.about["tasks"][task]["trained"], by_seeds(self.about, task)
            cells = {
                code: spread(entry, trained)
                + ("" if trained else ", examples {:.1f} to {:.1f}".format(*self.interval(task, code)))
                + mark(entry)
                for code, entry in languages.items()
            }
            beside = {code: percent(entry["majority"]) for code, entry in languages.items()}
            average, worst = own["average_without_english"], own["worst_language"]
            if average:
                cells["average without English"] = spread(average, trained) + mark(average)
                cells["worst"] = f"{worst['language']} {spread(worst, trained)}{mark(worst)}"
                beside |= {"average without English": percent(average["majority"]), "worst": percent(worst["majority"])}
            if own["cross_lingual_gap"]:
                cells["cross-lingual gap"] = spread(own["cross_lingual_gap"], trained)
                beside["cross-lingual gap"] = ""
            metric = next(iter(languages.values()))["metric"]
            title = f"{task}, {metric} in %, {self.about['setting'] if own_training else 'no training'}"
            rows = [[self.about["system"], *cells.values()]]
            if any(beside.values()):
                rows.append([self.control(task), *beside.values()])
            found.append((title, ["system", *cells], rows))
        return found

    def control(self, task: str) -> str:
        """What stands beside the figures of a task that has a majority class, or chance."""
        return "majority class" if self.about["tasks"][task]["majority_class"] else "chance"

    def note_of_control(self, task: str) -> list[str]:
        """Say what the figures are to be above, and which are not."""
        languages = self.result[task]
        if all(entry["majority"] is None for entry in languages.values()):
            return []
        classes = self.about["tasks"][task]["majority_class"]
        labels = ", ".join(dict.fromkeys(classes.values()))
        text = f"Majority class: always the most frequent label of the training data ({labels})."
        below = [code for code, entry in languages.items() if mark(entry)]
        told = f" {MARK}: not above it, in {', '.join(below)}." if below else ""
        return [(text if classes else "Chance: one candidate drawn of all.") + told]

    def notes(self, task: str) -> list[str]:
        own = self.about["tasks"][task]
        notes = [f"Data in the form '{own['form']}'.", *self.note_of_control(task), *own["notes"]]
        if own["trained"]:
            recipe = own["recipe"]
            notes.append(
                f"{recipe['epochs']:g} epochs of batches of {recipe['batch_size']} at learning rate "
                f"{recipe['learning_rate']:g}; the epoch is chosen by the English development set alone."
            )
        if by_seeds(self.about, task):
            if not own["trained"]:
                notes.append(f"Measured as {' > '.join(self.about['intermediate'])} left the encoder, for each seed.")
            notes.append(f"Mean and standard deviation over seeds {', '.join(map(str, self.about['seeds']))}.")
        else:
            notes.append(
                "Nothing is trained, so there is no spread over fine-tuning seeds; beside a figure stands the 95 % "
                "interval of a bootstrap over examples: the sampling error of the test set only."
            )
        return notes

    def benchmark_table(self) -> tuple[list[str], list[list[str]]]:
        """The averages of XTREME and XTREME-R, a row each; one that is not of all languages says how many lack."""
        rows = []
        for name, found in self.about.get("benchmarks", {}).items():
            for task, own in found["tasks"].items():
                missing = f"{len(own['missing'])} languages are missing" if own["missing"] else "whole"
                rows.append([name, task, spread(own, by_seeds(self.about, task)), missing])
            for group, average in {**found["groups"], "all tasks": found["all"]}.items():
                if average:
                    rows.append([name, group, spread(average, True), "whole"])
        return ["benchmark", "average of", "with English", "languages"], rows

    def general(self) -> list[str]:
        models = ", ".join(map(str, self.about["models"]))
        chain = " > ".join(self.about["intermediate"])
        lines = [f"Models: {models}.", f"Setting: {self.about['setting']}" + (f", after {chain}." if chain else ".")]
        distinct = len(set(self.about["weights"]))
        if distinct == 1:
            lines.append(ONE_CHECKPOINT)
        elif distinct < len(self.about["models"]):
            lines.append(f"{distinct} of {len(self.about['models'])} models have weights of their own; copies are one.")
        hidden = [task for task in self.about["tasks"] if task not in self.result]
        lines += [f"{task}: the test labels are hidden; there are predictions only." for task in hidden]
        return [*lines, *self.about["notes"]]

    def print(self) -> None:
        console = Console()
        for (title, columns, rows), task in zip(self.tables(), self.result, strict=True):
            table = Table(title=escape(title))
            table.add_column("language")
            for row in rows:
                table.add_column(escape(row[0]), justify="right")
            for cells in zip(columns, *rows, strict=True):
                if cells[0] != columns[0]:
                    table.add_row(*cells)
            console.print(table)
            for note in self.notes(task):
                console.print(note, markup=False, highlight=False)
        columns, rows = self.benchmark_table()
        if rows:
            table = Table(title=BENCHMARKS)
            for column in columns:
                table.add_column(column)
            for row in rows:
                table.add_row(*map(escape, row))
            console.print(table)
        for line in data_lines(self.about.get("data", ())):
            console.print(line, markup=False, highlight=False)
        for line in self.general():
            console.print(line, markup=False, highlight=False)

    def write(self) -> list[Path]:
        """report.md, report.html with the pictures inside, and the pictures."""
        pictures = {task: self.draw(task) for task in self.result}
        if self.measured:
            drawn = {"layers": layer_curves(self.measured[0], self.folder / "alignment-layers.png")}
            if self.measured[0]["cosines"]:
                drawn["cosines"] = similarity_maps(self.measured[0], self.folder / "alignment-words.png")
            pictures |= drawn
        (self.folder / "report.md").write_text(self.markdown(pictures), encoding="utf-8")
        (self.folder / "report.html").write_text(self.html(pictures), encoding="utf-8")
        return [self.folder / "report.md", self.folder / "report.html", *pictures.values()]

    def markdown(self, pictures: dict[str, Path]) -> str:
        lines = [f"# {self.about['system']}", "", *(f"- {line}" for line in self.general()), ""]
        for (title, columns, rows), task in zip(self.tables(), self.result, strict=True):
            lines += markdown_table(f"## {title}", columns, rows)
            lines += [*(f"- {note}" for note in self.notes(task)), "", f"![{task}]({pictures[task].name})", ""]
        for title, (heads, rows) in {
            BENCHMARKS: self.benchmark_table(),
            DATA: data_table(self.about.get("data", ())),
        }.items():
            lines += markdown_table(f"## {title}", heads, rows) if rows else []
        for name in [name for name in pictures if name not in self.result]:
            lines += [f"![{name}]({pictures[name].name})", ""]
        if self.measured:
            lines += [f"## {LAYERS}", ""]
        for title, columns, rows in self.layer_tables():
            lines += markdown_table(f"### {title}", columns, rows)
        return "\n".join(lines)

    def html(self, pictures: dict[str, Path]) -> str:
        """One file that opens without a network."""
        parts = [f"<h1>{html.escape(self.about['system'])}</h1>", listed(self.general())]
        for (title, columns, rows), task in zip(self.tables(), self.result, strict=True):
            parts += [
                f"<h2>{html.escape(title)}</h2>{html_table(columns, rows)}",
                listed(self.notes(task)),
                embedded(pictures[task], f"{task} by language"),
            ]
        for title, (heads, rows) in {
            BENCHMARKS: self.benchmark_table(),
            DATA: data_table(self.about.get("data", ())),
        }.items():
            if rows:
                parts.append(f"<h2>{html.escape(title)}</h2>{html_table(heads, rows)}")
        parts += [embedded(pictures[name], f"alignment: {name}") for name in pictures if name not in self.result]
        if self.measured:
            parts.append(f"<details><summary>{LAYERS}</summary>")
            for title, columns, rows in self.layer_tables():
                parts.append(f"<h3>{html.escape(title)}</h3>{html_table(columns, rows)}")
            parts.append("</details>")
        return html_page(self.about["system"], "".join(parts))

    def layer_tables(self) -> list[tuple[str, list[str], list[list[str]]]]:
        return [table for record in self.measured for table in layer_tables(record)]

    def draw(self, task: str) -> Path:
        """Bars by language: the mean, every seed as a dot, the sampling error of the test set as an interval.

        A line says what the majority class has, or chance, where there is that.
        """
        languages = self.result[task]
        means = np.array([entry["mean"] for entry in languages.values()])
        bounds = np.array([self.interval(task, code) for code in languages])
        figure = figure_of(max(6, 0.6 * len(languages) + 2), 4)
        axes = figure.subplots()
        places = np.arange(len(languages))
        axes.bar(places, means, color=["tab:grey" if code == ENGLISH else "tab:blue" for code in languages], alpha=0.6)
        errors = np.abs(bounds.T - means)
        axes.errorbar(
            places, means, errors, fmt="none", color="black", capsize=3, label="sampling error of the test set"
        )
        for place, entry in zip(places, languages.values(), strict=True):
            seeds = entry["per_seed"]
            axes.plot([place] * len(seeds), seeds, "o", color="tab:orange", markersize=4)
        axes.plot([], [], "o", color="tab:orange", markersize=4, label="a seed")
        above = [(place, entry["majority"]) for place, entry in enumerate(languages.values())]
        known = [(place, value) for place, value in above if value is not None]
        if known:
            at, values = np.array(known).T
            axes.hlines(values, at - 0.45, at + 0.45, color="tab:red", linestyle="dashed", label=self.control(task))
        metric = next(iter(languages.values()))["metric"]
        axes.set_xticks(places, list(languages))
        axes.set(ylabel=f"{metric}, %", title=f"{task}: {self.about['system']}, {self.about['setting']}")
        axes.legend(fontsize=8)
        file = self.folder / f"{task}.png"
        return save_picture(figure, file)

    def interval(self, task: str, code: str) -> tuple[float, float]:
        """95 %, by a bootstrap over test examples of the mean over seeds."""
        numbers = (
            self.about["seeds"]
            if by_seeds(self.about, task)
            else range(1, len(set(self.about["weights"])) + 1)  # a model twice is one
        )
        folder = self.folder / "examples" / task
        tables = [pq.read_table(folder / str(number) / f"{code}.parquet") for number in numbers]
        columns = [np.stack([table[name].to_numpy() for table in tables]) for name in ("numerator", "denominator")]
        return middle_95(resampled_scores([Examples(*columns)])[0])


def spread(entry: dict[str, Any], trained: bool) -> str:
    """A figure with its spread: over seeds, or that there is none to have."""
    if entry["std"] is not None:
        return f"{entry['mean']:.1f} ± {entry['std']:.1f}"
    return f"{entry['mean']:.1f} ({'one seed' if trained else 'spread: none'})"


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def mark(entry: dict[str, Any]) -> str:
    """The mark of a mean that is not above the majority class, or chance."""
    known = entry["majority"] is not None
    return f" {MARK}" if known and entry["mean"] <= entry["majority"] + ROUNDING else ""


def html_table(columns: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def embedded(picture: Path, what: str) -> str:
    return f'<img alt="{html.escape(what)}" src="{picture_address(picture)}">'


def listed(lines: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"
