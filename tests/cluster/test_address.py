"""What is seen to before Ray is started or joined."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import CHECKOUT, environment
from weam_ray.cluster import address as ray_address
from weam_ray.cluster.address import SESSION_LENGTH, check_answers, short_folder
from weam_ray.cluster.join import ray_cluster, start_ray
from weam_ray.errors import UserError


def test_no_cluster_at_an_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"localhost:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(UserError) as caught:
            check_answers(address, "RAY_ADDRESS")
        assert str(caught.value) == (
            f"RAY_ADDRESS={address}: no Ray cluster answers there (Connection refused). Start it, name one that runs, "
            "or leave RAY_ADDRESS out for a cluster of this machine's own."
        )


def test_a_socket_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match=r"what listens there does not answer as a Ray cluster does, in 0\.2 s"):
            check_answers(address, "cluster.address", seconds=0.2)


@pytest.mark.parametrize("address", ["head", "head:", "127.0.0.1:99999", "ray://", "ray://head", "[::1:6379"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UserError, match=r"the address of a cluster is HOST:PORT, `auto` or `local`\."):
        check_answers(address, "cluster.address")


def test_a_host_without_an_address() -> None:
    with pytest.raises(UserError, match=r"cluster\.address=head\.invalid:6379: no Ray cluster answers there"):
        check_answers("head.invalid:6379", "cluster.address")


def test_the_address_of_a_dashboard() -> None:
    with pytest.raises(UserError, match="is the address of a dashboard, for `ray job submit`"):
        check_answers("http://127.0.0.1:8265", "RAY_ADDRESS")


@pytest.mark.parametrize("found", [None, "127.0.0.1:1"])
def test_auto_without_a_cluster(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    """None at all, or one that died and left its address."""
    monkeypatch.setattr(ray_address, "running_cluster", lambda: found)
    with pytest.raises(UserError, match=r"cluster\.address=auto"):
        check_answers("auto", "cluster.address")


@pytest.mark.ray
def test_a_cluster_that_is_up_answers(ray_session: None) -> None:
    import ray

    check_answers(ray.get_runtime_context().gcs_address, "RAY_ADDRESS")


def test_the_variable_of_a_dead_cluster_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(UserError, match=r"RAY_ADDRESS=127\.0\.0\.1:1: no Ray cluster answers"), ray_cluster("local"):
        pass


def test_sockets_go_to_a_short_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    assert short_folder() is None
    longest = "/" + "x" * (107 - SESSION_LENGTH - 1)
    for variable in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.setenv(variable, longest)
        assert short_folder() is None
        monkeypatch.setenv(variable, f"{longest}y")
        assert short_folder() == f"/tmp/ray-{os.getuid()}"


def test_without_a_short_folder_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/" + "x" * 200)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match=r"set RAY_TMPDIR to one of at most \d+ bytes"):
        short_folder()


def test_a_machine_that_is_too_busy_for_ray(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow, started = 2, []

    def init(**options: Any) -> None:
        started.append(options)
        if len(started) <= slow:
            raise Exception("The current node timed out during startup. This could happen because ...")

    monkeypatch.setattr("ray.init", init)
    start_ray({"address": "local"})
    assert started == [{"address": "local"}] * 3
    assert capsys.readouterr().out.count("it is tried again") == 2
    slow = 10
    with pytest.raises(UserError, match="Ray did not start, in 3 tries: this machine is too busy"):
        start_ray({"address": "local"})


SCRIPT = """
from weam_ray.cluster.join import ray_cluster
with ray_cluster("local", 1):
    import ray
    print(ray.get(ray.remote(lambda: "it runs").remote()))
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_cluster_starts_with_temporary_files_in_a_long_folder(tmp_path: Path) -> None:
    folder = tmp_path / "job_folder_of_a_scheduler" / ("x" * 60)
    folder.mkdir(parents=True)
    variables = environment(TMPDIR=str(folder))
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    assert done.stdout == "it runs\n", done.stderr[-2000:]
