"""Figures of alignment by layer and language, as the reports have them."""

from pathlib import Path
from typing import Any

import pytest

from weam_ray.report import layers
from weam_ray.report.evaluation import LAYERS, Report
from weam_ray.report.layers import layer_curves, layer_tables, similarity_maps
from weam_ray.report.page import figure_of

RECORD: dict[str, Any] = {
    "number": 1,
    "layer": 1,
    "cosines": {},
    "layers": {
        "sentence_retrieval": {
            "de": [{"centred_forward": 12.34, "as_is_forward": 5.0}, {"centred_forward": 98.76, "as_is_forward": 7.0}],
            "sw": [{"centred_forward": 1.26, "as_is_forward": 2.5}, {"centred_forward": 33.3, "as_is_forward": 4.0}],
        },
        "word_retrieval": {
            "de": [{"centred_forward": 50.0, "margin": 0.1234}, {"centred_forward": 60.0, "margin": 0.4567}],
            "sw": [{"centred_forward": 40.0, "margin": -0.0121}, {"centred_forward": 45.0, "margin": float("nan")}],
        },
    },
}


def test_a_row_a_layer_and_a_column_a_language() -> None:
    columns = ["layer", "de", "sw"]
    assert layer_tables(RECORD) == [
        ("sentence_retrieval, centred forward, model 1", columns, [["0", "12.3", "1.3"], ["1*", "98.8", "33.3"]]),
        ("sentence_retrieval, as is forward, model 1", columns, [["0", "5.0", "2.5"], ["1*", "7.0", "4.0"]]),
        ("word_retrieval, centred forward, model 1", columns, [["0", "50.0", "40.0"], ["1*", "60.0", "45.0"]]),
        ("word_retrieval, margin, model 1", columns, [["0", "0.123", "-0.012"], ["1*", "0.457", "nan"]]),
    ]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are drawn."""
    drawn: list[Any] = []

    def draw(width: float, height: float) -> Any:
        drawn.append(figure_of(width, height))
        return drawn[-1]

    monkeypatch.setattr(layers, "figure_of", draw)
    return drawn


@pytest.mark.parametrize("count", [1, 4])
def test_a_map_of_cosines_a_language(tmp_path: Path, figures: list[Any], count: int) -> None:
    """Source words down, target words across, colours from -1 to 1, and no axes beyond the languages."""
    values = {f"l{k}": [["the", "dog"], ["der", "alte", "Hund"], [[0.1 * k, 0, -1], [1, 0.5, k]]] for k in range(count)}
    file = similarity_maps({**RECORD, "cosines": values}, tmp_path / "words.png")
    assert file.read_bytes().startswith(b"\x89PNG")
    (figure,) = figures
    maps = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in maps] == [f"l{k}, layer 1" for k in range(count)]
    for axes, (source, target, cosines) in zip(maps, values.values(), strict=True):
        (image,) = axes.images
        assert image.get_array().tolist() == cosines
        assert image.get_clim() == (-1, 1)
        assert [label.get_text() for label in axes.get_yticklabels()] == source
        assert [label.get_text() for label in axes.get_xticklabels()] == target
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == count + 1  # the scale of colours


def test_a_curve_a_language(tmp_path: Path, figures: list[Any]) -> None:
    """Of each task its main figure, and of words the margin too; a line marks the layer."""
    layer_curves(RECORD, tmp_path / "layers.png")
    (figure,) = figures
    sentences, words, margin = figure.axes
    for axes, task, key in (
        (sentences, "sentence_retrieval", "centred_forward"),
        (words, "word_retrieval", "centred_forward"),
        (margin, "word_retrieval", "margin"),
    ):
        *curves, mark = axes.lines
        assert [curve.get_label() for curve in curves] == ["de", "sw"]
        assert list(mark.get_xdata()) == [1, 1]
        for curve, language in zip(curves, ("de", "sw"), strict=True):
            expected = [own[key] for own in RECORD["layers"][task][language]]
            assert list(curve.get_ydata()) == pytest.approx(expected, nan_ok=True)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    about = {
        "system": "a <b>",
        "models": ["m"],
        "weights": ["w"],
        "setting": "zero-shot",
        "intermediate": [],
        "tasks": {},
        "notes": [],
    }
    second = {**RECORD, "number": 2, "layer": 0}
    return Report(about, {}, {}, tmp_path, [RECORD, second])


def test_reports_have_every_figure(report: Report, tmp_path: Path) -> None:
    report.write()
    page, text = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    tables = report.layer_tables()
    assert len(tables) == 8
    for title, columns, rows in tables:
        head = "".join(f"<th>{column}</th>" for column in columns)
        body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        assert f"<h3>{title}</h3><table><tr>{head}</tr>{body}</table>" in page
        assert f"### {title}\n\n| layer | de | sw |\n| --- | --- | --- |\n| {' | '.join(rows[0])} |\n" in text
    assert (page.count("<td>1*</td>"), page.count("<td>0*</td>")) == (4, 4)
    for written in (page, text):
        assert LAYERS in written
    assert (tmp_path / "alignment-layers.png").read_bytes().startswith(b"\x89PNG")


def test_without_alignment_there_are_no_layers(report: Report, tmp_path: Path) -> None:
    plain = Report(report.about, {}, {}, tmp_path, [])
    assert plain.layer_tables() == []
    assert LAYERS not in plain.markdown({}) + plain.html({})
