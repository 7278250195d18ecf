"""The frame of an HTML page, a row of Markdown, and figures."""

from pathlib import Path

from weam_ray.report.page import figure_of, html_page, markdown_row, save_picture


def test_a_title_is_text_and_a_body_is_html() -> None:
    page = html_page("a < b", "<p>here</p>")
    assert page.startswith('<!doctype html><html lang="en"><meta charset="utf-8"><title>a &lt; b</title><style>body{')
    assert page.endswith("<body><p>here</p></body></html>\n")


def test_bars_inside_of_cells_are_escaped() -> None:
    assert markdown_row(["de", "a|b", "1.0"]) == r"| de | a\|b | 1.0 |"


def test_a_picture_needs_no_display(tmp_path: Path) -> None:
    figure = figure_of(3, 2)
    figure.subplots().plot([1, 2])
    file = save_picture(figure, tmp_path / "a.png")
    assert file.read_bytes().startswith(b"\x89PNG")
