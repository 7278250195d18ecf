"""What reports are made of: the frame of an HTML page, the row of a Markdown table, and figures without a display."""

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 110
MARK = "†"  # of figures that are not above the majority class, or chance


STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.2em .6em;text-align:right}td:first-child,th:first-child{text-align:left}"
    "img{max-width:100%}"
)


def html_page(title: str, body: str) -> str:
    """An HTML page that opens without a network, with the look of all pages; `body` is HTML, and `title` is text."""
    css = f"<style>{STYLE}</style>"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>{css}'
    return f"{head}<body>{body}</body></html>\n"


def rendered(template: str, escaped: bool, **values: Any) -> str:
    """A template of this folder with its values; `escaped`: all that is put in becomes text of HTML."""
    loader = PackageLoader("weam_ray.report")
    environment = Environment(
        loader=loader, autoescape=escaped, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["markdown_row"] = markdown_row
    return environment.get_template(template).render(**values)


def picture_address(file: Path) -> str:
    """A picture as the address of itself, for a page that opens without its files."""
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


def markdown_row(cells: list[str]) -> str:
    """The row of a Markdown table; a bar inside of a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def markdown_table(heading: str, columns: list[str], rows: list[list[str]]) -> list[str]:
    """A heading and a table, as lines."""
    return [heading, "", markdown_row(columns), markdown_row(["---"] * len(columns)), *map(markdown_row, rows), ""]


def figure_of(width: float, height: float) -> "Figure":
    """An empty matplotlib figure of so many inches, which needs no display and which no list of figures keeps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_picture(figure: "Figure", file: Path) -> Path:
    """Write a figure as PNG; the file."""
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH)
    return file
