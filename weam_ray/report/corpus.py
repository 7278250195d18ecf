"""The report of a corpus: what was found in it, what filters do to it, and the card that goes with it."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.corpus.described import STEPS_OF_OCTAVE, TROUBLES, Description
from weam_ray.report.page import figure_of, html_page, picture_address, rendered, save_picture
from weam_ray.settings.data import CorpusSection

UNKNOWN = "not given"
ABOUT = ("licence", "reference")


@dataclass(frozen=True)
class Table:
    """A table of text, with notes below it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CorpusReport:
    """What is told of a corpus.

    Args:
        result: as result.json has it.
        found: of each language pair.
        rejected: examples of rows that were rejected, by reason.
        again: the command that does the same.
    """

    title: str
    corpus: CorpusSection
    result: dict[str, Any]
    found: dict[str, Description]
    rejected: dict[str, list[dict[str, str]]]
    again: str
    yaml: str

    def write(self, folder: Path) -> list[str]:
        """Write report.html with its picture, and lengths.png; the names of the files."""
        picture = lengths(self.found, folder / "lengths.png")
        groups = [
            {"title": "What was rejected", "rows": {name: rows for name, rows in self.rejected.items() if rows}},
            {"title": "What filters would reject, each by itself", "rows": self.examples()},
        ]
        body = rendered(
            "corpus.html.j2",
            True,
            title=self.title,
            summary=self.summary(),
            tables=[*self.tables(), *self.contents()],
            picture=picture_address(picture),
            examples=[group for group in groups if group["rows"]],
            yaml=self.yaml,
        )
        (folder / "report.html").write_text(html_page(self.title, body), encoding="utf-8")
        return ["report.html", picture.name]

    def write_card(self, folder: Path) -> str:
        """Write README.md, the card of the data; its name."""
        references = dict.fromkeys(source.reference for source in self.corpus.sources if source.reference)
        text = rendered(
            "corpus_card.md.j2",
            False,
            title=self.title,
            summary=self.summary(),
            fingerprint=self.result["fingerprint"],
            tables=[
                replace(own, rows=[[on_a_line(cell) for cell in row] for row in own.rows]) for own in self.tables()
            ],
            citation=on_a_line(" ".join(references)) or "No references were given (`reference` of each source).",
            again=self.again,
        )
        (folder / "README.md").write_text(text, encoding="utf-8")
        return "README.md"

    def summary(self) -> str:
        """The corpus in a sentence."""
        rows = sum(source["rows"] for source in self.result["sources"])
        kept = sum(own["train"] + own["held_out"] for own in self.result["pairs"].values())
        return (
            f"{rows:,} rows were read from {len(self.result['sources'])} "
            f"{'source' if len(self.result['sources']) == 1 else 'sources'}; {kept:,} of them are kept, and "
            f"{sum(self.result['rejected'].values()):,} are rejected, each with its reason."
        )

    def tables(self) -> list[Table]:
        """Sources, pairs, reasons, filters: what the card has too."""
        result = self.result
        sources = [
            [
                own["label"],
                own["language_pair"],
                f"{own['rows']:,}",
                own["licence"] or UNKNOWN,
                own["reference"] or UNKNOWN,
            ]
            for own in result["sources"]
        ]
        pairs = [[pair, f"{own['train']:,}", f"{own['held_out']:,}"] for pair, own in result["pairs"].items()]
        reasons = [[reason, f"{number:,}"] for reason, number in result["rejected"].items()]
        tables = [
            Table("Sources", ["source", "languages", "rows", "licence", "reference"], sources),
            Table("Pairs that are kept", ["languages", "for training", "held out"], pairs),
            Table("Rows that are rejected", ["reason", "rows"], reasons),
        ]
        if result["filters"]:
            filters = [[own["name"], f"{own['kept']:,}", f"{own['dropped']:,}"] for own in result["filters"]]
            tables.append(Table("Filters, in their order", ["filter", "kept", "rejected"], filters))
        return tables

    def contents(self) -> list[Table]:
        """What was found in the pairs."""
        probes = {name: None for own in self.found.values() for name in own.dropped}
        rows = [[name, *(share(own.dropped[name], own.rows) for own in self.found.values())] for name in probes]
        troubles = [[name, *(share(own.troubles[name], own.rows) for own in self.found.values())] for name in TROUBLES]
        letters = []
        for pair, own in self.found.items():
            for language, counts in zip(own.languages, own.scripts, strict=True):
                whole = max(1, sum(counts.values()))
                most = sorted(counts.items(), key=lambda entry: -entry[1])
                letters.append(
                    [pair, language, ", ".join(f"{name} {100 * number / whole:.1f} %" for name, number in most)]
                )
        tables = [
            Table("Signs that are seldom meant", ["what", *self.found], troubles),
            Table("Scripts", ["languages", "side", "letters, in a sample"], letters),
        ]
        if rows:
            note = "Each filter was asked for every pair that is kept; a pair may be counted by several."
            tables.insert(0, Table("What filters would reject, each by itself", ["filter", *self.found], rows, [note]))
        return tables

    def examples(self) -> dict[str, list[dict[str, str]]]:
        """Pairs that filters would reject, by filter and language pair."""
        return {
            f"{name}, {pair}": rows for pair, own in self.found.items() for name, rows in own.examples.items() if rows
        }


def on_a_line(text: str) -> str:
    """A text as a cell of Markdown, in which it is nothing but text."""
    return " ".join(text.split()).replace("<", "&lt;")


def share(number: int, rows: int) -> str:
    """A count, with its share of all."""
    return f"{number:,} ({100 * number / max(1, rows):.2f} %)"


def lengths(found: dict[str, Description], file: Path) -> Path:
    """Draw the lengths of texts by side, and the ratios of lengths, a row for each language pair."""
    figure = figure_of(12, 3 * max(1, len(found)))
    axes = figure.subplots(max(1, len(found)), 3, squeeze=False)
    for row, (pair, own) in zip(axes, found.items(), strict=False):
        for language, words, characters in zip(own.languages, own.words, own.characters, strict=True):
            row[0].plot(np.arange(len(words)), words, drawstyle="steps-mid", label=language)
            row[1].plot(10 * np.arange(len(characters)), characters, drawstyle="steps-post", label=language)
        if own.ratios:
            row[2].plot(2 ** (np.arange(len(own.ratios)) / STEPS_OF_OCTAVE), own.ratios, drawstyle="steps-post")
        titles = ("words", "characters", "longer side by shorter side, in characters")
        for place, title in zip(row, titles, strict=True):
            place.set(xlabel=title, ylabel="texts" if place is not row[2] else "pairs", title=pair)
        row[0].legend()
        row[1].legend()
    return save_picture(figure, file)
