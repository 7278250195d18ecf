"""The report of a study: answers first, then tables and pictures, then all that is needed to run it again."""

import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

import weam_ray
from weam_ray.cli import spoken
from weam_ray.report.data_used import data_table
from weam_ray.report.page import html_page, picture_address, rendered
from weam_ray.report.study_pictures import pictures
from weam_ray.report.study_tables import (
    Place,
    Rows,
    Table,
    answer_table,
    averages_table,
    places_of,
    rates_table,
    score_table,
    trainings_table,
)
from weam_ray.settings.study import StudySettings
from weam_ray.study.answers import Answer
from weam_ray.study.rates import Tried

LIBRARIES = ("torch", "transformers", "ray", "deepspeed", "datasets", "mlflow")


@dataclass(frozen=True)
class Facts:
    """What a report tells beside scores and answers.

    Attributes:
        results: of the pre-trainings, by system and seed.
        seen: by task what pre-training has seen of the test examples, in sentences.
        tried: the learning rates of pre-training that were tried.
        data: where the data of the tasks come from, as `about` of an evaluation has it.
    """

    results: Mapping[tuple[str, int], Mapping[str, Any]]
    seen: Mapping[str, Sequence[str]]
    tried: Sequence[Tried] = ()
    data: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class StudyReport:
    """What is told of a study."""

    settings: StudySettings
    answers: Sequence[Answer]
    rows: Rows
    facts: Facts
    folder: Path

    def write(self) -> list[Path]:
        """report.html with the pictures inside, report.md, and the pictures."""
        drawn = self.pictures
        encoded = {caption: picture_address(file) for caption, file in drawn.items()}
        body = self.rendered("study.html.j2", True, pictures=encoded)
        page, text = self.folder / "report.html", self.folder / "report.md"
        page.write_text(html_page(self.settings.name, body), encoding="utf-8")
        named = {caption: file.name for caption, file in drawn.items()}
        text.write_text(self.rendered("study.md.j2", False, files=named), encoding="utf-8")
        return [page, text, *drawn.values()]

    @cached_property
    def pictures(self) -> dict[str, Path]:
        return pictures(self.settings, self.rows, self.folder)

    def rendered(self, template: str, escaped: bool, **more: Any) -> str:
        """A template with what both forms of the report have; in HTML all that comes from data is escaped."""
        return rendered(
            template,
            escaped,
            title=self.settings.name,
            question=self.settings.title,
            answers=self.answers,
            claims=answer_table(self.answers),
            tables=[self.table(place) for place in places_of(self.rows)],
            rates=rates_table(self.facts.tried) if self.facts.tried else None,
            data=Table("Data", *data_table(self.facts.data), []) if self.facts.data else None,
            again=f"{spoken('study')} --study {shlex.quote(str(self.folder / 'study.yaml'))}",
            versions=versions(),
            trainings=trainings_table(self.facts.results),
            yaml=self.settings.to_yaml(),
            **more,
        )

    def table(self, place: Place) -> Table:
        """The scores of a place, with what was seen of its test examples."""
        own = score_table(place, self.settings.groups)
        return replace(own, notes=[*own.notes, *self.facts.seen.get(place.task, ())])

    def print(self) -> None:
        """The averages as a table, then the answers in sentences, on the terminal."""
        console = Console()
        print_table(console, averages_table(self.rows))
        for own in self.answers:
            console.print(f"- {own.claim.statement} {own.sentence()}", markup=False, highlight=False)


def print_table(console: Console, table: Table) -> None:
    shown = RichTable(title=escape(table.title), box=SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        shown.add_column(escape(column), justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*map(escape, row))
    console.print(shown)


def versions() -> dict[str, str]:
    """The versions of the program, of Python and of the libraries that compute, and the commit of a checkout."""
    found = {"weam-ray": weam_ray.__version__, "Python": platform.python_version()}
    found |= {name: version(name) for name in LIBRARIES}
    place = Path(weam_ray.__file__).resolve().parents[1]
    if (place / ".git").exists():
        asked = subprocess.run(
            ["git", "-C", str(place), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
        found["commit"] = asked.stdout.strip() or "unknown"
    return found
