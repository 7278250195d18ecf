"""What tasks of the cluster reserve, with a stand-in for Ray."""

from types import SimpleNamespace
from typing import Any

import pytest
import ray

from weam_ray.cluster.tasks import RayTasks


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
