"""The edge to Ray: mapping over items, and what is checked before a run."""

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from weam_ray.cluster.capacity import check_capacity, check_shared
from weam_ray.cluster.join import ray_cluster
from weam_ray.cluster.tasks import map_items
from weam_ray.errors import UserError

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def test_map_items_keeps_the_order() -> None:
    items = [{"number": number} for number in range(7)]

    def square(item: dict[str, Any]) -> dict[str, Any]:
        return {"square": item["number"] ** 2, "nested": {"list": [item["number"], None, "é"]}}

    assert map_items(items, square, "test", num_cpus=0.5) == [square(item) for item in items]


def test_map_items_runs_in_tasks_of_ray() -> None:
    done = map_items([{}, {}], lambda item: {"pid": os.getpid()}, "test", num_cpus=0.5)
    assert all(entry["pid"] != os.getpid() for entry in done)


def test_map_items_passes_a_user_error_on() -> None:
    def fail(item: dict[str, Any]) -> dict[str, Any]:
        if item["number"] == 1:
            raise UserError("text.en, line 3: not UTF-8.\nSecond line.")
        return {}

    with pytest.raises(UserError) as caught:
        map_items([{"number": number} for number in range(3)], fail, "test", num_cpus=0.5)
    assert str(caught.value) == "text.en, line 3: not UTF-8.\nSecond line."


def test_map_items_raises_other_errors() -> None:
    def fail(item: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("a mistake of ours")

    with pytest.raises(Exception, match="a mistake of ours") as caught:
        map_items([{}], fail, "test", num_cpus=0.5)
    assert not isinstance(caught.value, UserError)


def test_capacity_that_is_there() -> None:
    check_capacity(1, {"CPU": 1})


def test_too_many_workers() -> None:
    import ray

    cpus = int(ray.cluster_resources()["CPU"])
    with pytest.raises(UserError) as caught:
        check_capacity(1000, {"CPU": 2})
    message = str(caught.value)
    assert message.startswith("training.num_workers=1000: 1000 workers of 2 CPU each do not fit")
    assert f"the cluster has {cpus} CPU on 1 nodes" in message
    assert message.endswith(f"at most {cpus // 2} workers fit now.")


def test_resource_that_the_cluster_lacks() -> None:
    with pytest.raises(UserError, match=r"and 0 unobtainium on 1 nodes; at most 0 workers fit now"):
        check_capacity(1, {"CPU": 1, "unobtainium": 1})


def test_any_folder_will_do_on_one_node(tmp_path: Path) -> None:
    check_shared(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_is_up_is_used_and_left_up() -> None:
    import ray

    node = ray.get_runtime_context().get_node_id()
    with ray_cluster("an-address-that-is-not-tried:1"):
        assert ray.get_runtime_context().get_node_id() == node
    assert ray.is_initialized()


def test_a_cluster_of_this_machine_listens_on_loopback_only() -> None:
    """Every socket of every process of the cluster: Ray's servers, agents and workers."""
    own = psutil.Process()
    listening = [
        (connection.laddr.ip.removeprefix("::ffff:"), process.cmdline())
        for process in own.children(recursive=True)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert [entry for entry in listening if entry[0] not in ("127.0.0.1", "::1")] == []
