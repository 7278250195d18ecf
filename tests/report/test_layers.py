"""Figures of alignment by layer and language, as the reports have them."""

from pathlib import Path
from typing import Any

import pytest

from weam_ray.report.evaluation import LAYERS, Report
from weam_ray.report.layers import layer_tables

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
def report(tmp_path: Path) -> Report:
    about = {"system": "a <b>", "models": ["m"], "setting": "zero-shot", "intermediate": [], "tasks": {}, "notes": []}
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
