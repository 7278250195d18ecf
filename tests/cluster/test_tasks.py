"""What tasks of the cluster reserve, with a stand-in for Ray; and streams of batches through tasks."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import ray

from tests.support.private import take_away
from weam_ray.cluster import ray_private
from weam_ray.cluster.tasks import AHEAD, RayTasks, map_stream
from weam_ray.errors import UserError


def step(number: int) -> int:
    return number


@pytest.mark.parametrize(("given", "num_gpus"), [({"num_gpus": 1}, 1), ({}, 0)])
def test_cores_and_gpus(monkeypatch: pytest.MonkeyPatch, given: dict[str, float], num_gpus: float) -> None:
    asked: list[dict[str, Any]] = []

    def options(**own: Any) -> Any:
        asked.append(own)
        return SimpleNamespace(remote=lambda *arguments: arguments)

    monkeypatch.setattr(ray, "remote", lambda task: SimpleNamespace(options=options))
    assert RayTasks(2, **given).submit(step, 7) == (7,)
    assert asked == [{"num_cpus": 2, "num_gpus": num_gpus, "num_returns": 1}]


def batches(item: dict[str, Any]) -> Iterator[tuple[dict[str, Any], pa.RecordBatch | None]]:
    """So many batches of a source, each noted as it is read; every third is one that is done already."""
    for number in range(item["batches"]):
        if item.get("fails") == number:
            raise UserError(f"batch {number} cannot be read")
        if item.get("log"):
            with Path(item["log"]).open("a", encoding="utf-8") as file:
                file.write("r")
        rows = None if number % 3 == 2 else pa.record_batch([pa.array([number] * (number + 1))], ["number"])
        yield {"source": item["source"], "number": number}, rows


def summed(about: dict[str, Any], rows: pa.RecordBatch | None) -> dict[str, Any]:
    if about["number"] == 7:
        raise UserError("seven is not worked on")
    return {**about, "rows": 0 if rows is None else len(rows), "values": None if rows is None else rows[0].to_pylist()}


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
class TestStream:
    def test_every_batch_of_every_item(self) -> None:
        items = [{"source": source, "batches": 2 * source} for source in range(4)]
        found = sorted(map_stream(items, batches, summed, "test"), key=lambda own: (own["source"], own["number"]))
        assert [(own["source"], own["number"]) for own in found] == [
            (source, number) for source in range(4) for number in range(2 * source)
        ]
        for own in found:
            expected = None if own["number"] % 3 == 2 else [own["number"]] * (own["number"] + 1)
            assert own["values"] == expected

    def test_nothing(self) -> None:
        assert map_stream([], batches, summed, "test") == []
        assert map_stream([{"source": 1, "batches": 0}], batches, summed, "test") == []

    @pytest.mark.parametrize(
        ("item", "said"),
        [({"batches": 9}, "seven is not worked on"), ({"batches": 5, "fails": 4}, "batch 4 cannot be read")],
    )
    def test_a_mistake_is_passed_on(self, item: dict[str, Any], said: str) -> None:
        with pytest.raises(UserError, match=said):
            map_stream([{"source": 1, **item}], batches, summed, "test")

    def test_reading_waits_for_what_is_read(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        stream = ray_private.bounded_stream(ray.remote(batches), AHEAD)
        asked = stream.remote({"source": 1, "batches": 50, "log": str(log)})
        for _ in range(5):
            ray.get(next(asked))
        ray.wait([ray.remote(lambda: None).remote()])  # time enough to read more
        assert 5 <= len(log.read_text(encoding="utf-8")) <= 5 + 2 * AHEAD

    def test_without_the_option_of_ray(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        take_away(monkeypatch)
        options = ray.remote_function.RemoteFunction.options

        def older(own: Any, **given: Any) -> Any:
            if "_generator_backpressure_num_objects" in given:
                raise ValueError("Invalid option keyword")
            return options(own, **given)

        monkeypatch.setattr(ray.remote_function.RemoteFunction, "options", older)
        assert len(map_stream([{"source": 1, "batches": 5}], batches, summed, "test")) == 5
        assert "cannot hold back streams" in capsys.readouterr().err
