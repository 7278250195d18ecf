"""The report of a study: tables with controls, pictures where there are data for them, and nothing unescaped."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import claim, given, scores, settings_tree, trained
from weam_ray.report.study import Facts, StudyReport
from weam_ray.report.study_pictures import pictures
from weam_ray.report.study_tables import MAJORITY, averages_table, places_of, score_table
from weam_ray.settings.parsing import validated
from weam_ray.settings.study import StudySettings
from weam_ray.study.answers import answers
from weam_ray.study.rates import Tried

LANGUAGES = ("en", "de", "tl")


def rows_of(**more: Any) -> list[dict[str, Any]]:
    """Scores of three systems on topics and retrieval, of which the plain encoder is at the majority class."""
    found = []
    for k, language in enumerate(LANGUAGES):
        found += given("plain", [25.0, 25.0], language=language, majority=25.0, **more)
        found += trained("tlm", [30.0 + k, 31.0], language=language, majority=25.0, **more)
        found += trained("weam", [40.0 + k, 43.0], language=language, majority=25.0, **more)
    return found


def settings(**more: Any) -> StudySettings:
    return validated(StudySettings, settings_tree(evaluation={"tasks": ["sib200"]}, **more))


class TestTables:
    def test_scores_with_the_majority_class(self) -> None:
        (place,) = places_of(rows_of())
        table = score_table(place, {"low": ["tl"], "absent": ["xx"]})
        assert table.columns == ["system", "en", "de", "tl", "low", "average"]
        assert table.rows[0] == ["plain", *["25.0 †"] * 5]
        assert table.rows[2] == ["weam", "41.5 ± 2.1", "42.0 ± 1.4", "42.5 ± 0.7", "42.5 ± 0.7", "42.2 ± 1.1"]
        assert table.rows[-1] == [MAJORITY, *["25.0"] * 5]
        assert any("not above the majority class" in note for note in table.notes)

    def test_error_rates_have_no_majority(self) -> None:
        (place,) = places_of(trained("weam", [30.0, 32.0], metric="aer", task="gold_alignment"))
        table = score_table(place, {})
        assert table.rows == [["weam", "31.0 ± 1.4", "31.0 ± 1.4"]]
        assert "lower is better" in table.notes[0]

    def test_fine_tunings_of_one_encoder_have_no_spread(self) -> None:
        (place,) = places_of(given("plain", [20.0, 30.0]))
        assert score_table(place, {}).rows == [["plain", "25.0", "25.0"]]

    def test_averages(self) -> None:
        table = averages_table([*rows_of(), *rows_of(setting="translate-train")])
        assert table.columns == ["system", "sib200, zero-shot", "sib200, translate-train"]
        assert table.rows[1] == ["tlm", "31.2 ± 0.4", "31.2 ± 0.4"]


class TestPictures:
    def test_gains_by_language_and_group(self, tmp_path: Path) -> None:
        found = pictures(settings(groups={"near": ["de"], "far": ["tl"]}), rows_of(), tmp_path)
        assert len(found) == 2
        assert all(file.read_bytes().startswith(b"\x89PNG") for file in found.values())

    def test_intermediate_trainings_alignment_and_amounts(self, tmp_path: Path) -> None:
        rows = [*rows_of(), *rows_of(intermediate="clinc"), *rows_of(task="sentence_retrieval")]
        for share, name in ((0.1, "weam@10%"), (1.0, "weam@100%")):
            rows += trained(name, [40.0, 41.0], language="tl", share=share)
        own = settings(
            intermediate={"none": [], "clinc": ["clinc"]},
            low_resource={"pair": "en-tl", "shares": [0.1, 1.0], "systems": ["weam"]},
        )
        found = pictures(own, rows, tmp_path)
        assert "Intermediate trainings: sib200, zero-shot" in found
        assert "Gain of the tasks against gain of sentence retrieval" in found
        assert "The amount of parallel text: sib200, zero-shot" in found
        assert len({file.name for file in found.values()}) == len(found)


@pytest.fixture
def report(tmp_path: Path) -> StudyReport:
    own = settings(
        title="Is <script>alert(1)</script> better?",
        claims=[claim(statement="WEAM | TLM <b>.", on={"tasks": ["sib200"]})],
    )
    found = answers(own, scores(rows_of()))
    results = {("weam", 1): {"fingerprint": "1a2b", "seconds": 12.0, "model": "/runs/weam/model"}}
    seen = {"sib200": ["de: 3 of 12 examples were seen."]}
    used = {"task": "sib200", "used": "task", "form": "SIB-200", "max_train": None, "examples": {"test-de": 204}}
    data = [{**used, "reference": "Adelani et al. 2023", "licence": "CC BY-SA 4.0", "revision": None}]
    tried = [Tried("weam", 0.0003, 61.0, True), Tried("weam", 0.001, 55.5, False)]
    return StudyReport(own, found, rows_of(), Facts(results, seen, tried, data), tmp_path)


def test_a_page_and_a_text(report: StudyReport) -> None:
    page, text, *drawn = report.write()
    html, markdown = page.read_text(encoding="utf-8"), text.read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "http" not in html.replace("http://www.w3.org", "")  # it opens without a network
    assert html.count("data:image/png;base64,") == len(drawn)
    for said in (html, markdown):
        assert "undecided: +11." in said
        assert "de: 3 of 12 examples were seen." in said
        assert "1a2b" in said
        assert "0.0003" in said
        assert "55.5" in said
        assert "CC BY-SA 4.0" in said
        assert "/runs/weam/model" in said
        assert "torch: " in said
        assert "study.yaml" in said
    assert html.index("Answers") < html.index("Scores") < html.index("Pictures") < html.index("To run it again")
    assert all(f"]({file.name})" in markdown for file in drawn)


def test_on_the_terminal(report: StudyReport, capsys: pytest.CaptureFixture[str]) -> None:
    report.print()
    said = capsys.readouterr().out
    assert "sib200, zero-shot" in said
    assert "- WEAM | TLM <b>. undecided: +11." in said
