"""What reports are made of: the frame of an HTML page, the row of a Markdown table, and figures without a display."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 110


def html_page(title: str, body: str, style: str = "") -> str:
    """An HTML page that opens without a network; `body` is HTML, `title` is text, and `style` is CSS."""
    css = f"<style>{style}</style>" if style else ""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>{css}'
    return f"{head}<body>{body}</body></html>\n"


def markdown_row(cells: list[str]) -> str:
    """The row of a Markdown table; a bar inside of a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def figure_of(width: float, height: float) -> "Figure":
    """An empty matplotlib figure of so many inches, which needs no display and which no list of figures keeps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_picture(figure: "Figure", file: Path) -> Path:
    """Write a figure as PNG; the file."""
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH)
    return file
