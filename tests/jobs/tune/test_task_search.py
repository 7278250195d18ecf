"""A search by a task's English development data, for real: what the best is worth there, and with another seed."""

from pathlib import Path

import pytest

from tests.support.lab import write_sib200
from tests.support.main_job import write_moses
from tests.support.searches import search_config
from weam_ray.jobs.tune import SearchJob

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def test_by_topics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_moses(tmp_path)
    write_sib200(tmp_path / "data")
    given = ["search.metric=task:sib200", f"data_root={tmp_path / 'data'}", "search.recipe={epochs: 1}"]
    first = SearchJob.of(search_config(tmp_path, *given), tmp_path).run()
    tested = first["on_development"]
    assert tested["value"] == pytest.approx(first["best_value"])
    assert tested["interval"][0] <= tested["value"] <= tested["interval"][1]
    assert "on_test" not in first
    assert "On the task's development data, which it was chosen by, it has" in capsys.readouterr().out
    again = SearchJob.of(search_config(tmp_path, *given, "search.retrain=1"), tmp_path).run()
    (own,) = again["retrained"]
    assert 0 <= own["value"] <= 1
    assert own["seeds"] != search_config(tmp_path, *given).seeds.model_dump()
    assert again["on_development"] == tested
