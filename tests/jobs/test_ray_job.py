"""The job as README submits it: a cluster started on a machine without a token, authentication on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.main_job import tiny_overrides
from tests.support.studies import tiny_study
from weam_ray.settings.parsing import written_yaml

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.ray


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports


class Cluster:
    """A Ray head with an empty HOME, and the environment of a client that has its token."""

    def __init__(self, home: Path) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        path = f"{BIN}{os.pathsep}{kept['PATH']}"
        self.open_environment = {**kept, "HOME": str(home / "other"), "PATH": path, "RAY_USAGE_STATS_ENABLED": "0"}
        self.environment = {**self.open_environment, "HOME": str(home), "RAY_AUTH_MODE": "token"}
        self.call("get-auth-token", "--generate")
        gcs, dashboard, agent = free_ports(3)
        self.address = f"http://127.0.0.1:{dashboard}"
        arguments = ["--node-ip-address=127.0.0.1", "--num-cpus=2", f"--port={gcs}", f"--dashboard-port={dashboard}"]
        arguments.append(f"--dashboard-agent-listen-port={agent}")  # the default may be another cluster's
        self.head = subprocess.Popen(
            [BIN / "ray", "start", "--head", "--block", *arguments],
            env=self.environment,
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while self.call("job", "list", "--address", self.address, check=False).returncode != 0:
            assert time.monotonic() < deadline, "the head did not come up"
            assert self.head.poll() is None, "the head ended"

    def call(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = options.pop("env", self.environment)
        command = [str(BIN / "ray"), *arguments]
        return subprocess.run(
            command, env=environment, check=check, capture_output=True, text=True, timeout=400, **options
        )

    def submit(
        self, *arguments: str, script: str = "jobs/pretrain.py", **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """`ray job submit` from the checkout, as README has it."""
        job = ["--working-dir", ".", "--", "python", script, *arguments]
        return self.call("job", "submit", "--address", self.address, *job, check=False, cwd=CHECKOUT, **options)

    def stop(self) -> None:
        self.head.send_signal(signal.SIGTERM)
        try:
            self.head.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.head.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("user")
    (home / "other").mkdir()
    cluster = Cluster(home)
    yield cluster
    cluster.stop()


@pytest.mark.slow
def test_a_job_without_a_token_is_refused(cluster: Cluster) -> None:
    refused = cluster.submit("--dry-run", env=cluster.open_environment)
    assert refused.returncode != 0
    assert "token" in refused.stderr + refused.stdout
    assert "objective:" not in refused.stdout


def test_a_job_with_the_token_runs(cluster: Cluster, moses_files: tuple[Path, Path]) -> None:
    overrides = [entry for entry in tiny_overrides(Path("unused"), moses_files) if not entry.startswith("home=")]
    done = cluster.submit("--dry-run", *overrides)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "In a Ray job: the home is ~/weam_ray" in done.stdout
    assert f"run folder {cluster.environment['HOME']}/weam_ray/runs/bundled-" in done.stdout


@pytest.mark.slow
def test_a_mistake_in_a_job_is_a_sentence(cluster: Cluster) -> None:
    failed = cluster.submit("objective.lamda=1")
    assert failed.returncode != 0
    assert "Did you mean 'objective.lambda'?" in failed.stdout + failed.stderr


@pytest.mark.slow
def test_the_alignment_job(cluster: Cluster, moses_files: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["--input", *map(str, moses_files), "--format", "moses", "--source-lang", "en", "--target-lang", "xx"]
    done = cluster.submit(*arguments, "--output", str(tmp_path / "aligned"), script="jobs/align.py")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "aligned" / "links.pharaoh").read_text(encoding="utf-8").count("\n") == 120


@pytest.mark.slow
def test_the_main_job_through_the_cluster(cluster: Cluster, moses_files: tuple[Path, Path]) -> None:
    overrides = [entry for entry in tiny_overrides(Path("unused"), moses_files) if not entry.startswith("home=")]
    done = cluster.submit(*overrides)
    assert done.returncode == 0, done.stdout[-3000:]
    (run,) = (Path(cluster.environment["HOME"]) / "weam_ray" / "runs").iterdir()
    assert {"config.yaml", "losses.jsonl", "result.json", "model"} <= {path.name for path in run.iterdir()}
    assert (run.parents[1] / "mlflow.db").is_file()


@pytest.mark.slow
def test_a_search_through_the_cluster(cluster: Cluster, moses_files: tuple[Path, Path]) -> None:
    overrides = [entry for entry in tiny_overrides(Path("unused"), moses_files) if not entry.startswith("home=")]
    arguments = ["--space", "smoke", "--num-trials", "2", "corpus.held_out=20", *overrides]
    done = cluster.submit(*arguments, script="jobs/tune.py")
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (Path(cluster.environment["HOME"]) / "weam_ray" / "runs").glob("search-*")
    assert {"trials.parquet", "best.yaml", "result.json", "search.html"} <= {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_a_study_through_the_cluster(cluster: Cluster, moses_files: tuple[Path, Path], tmp_path: Path) -> None:
    tree = tiny_study(moses_files[0].parent, name="submitted", evaluation={"tasks": ["alignment"]}, claims=[])
    del tree["home"], tree["data_root"]
    file = tmp_path / "submitted.yaml"
    file.write_text(written_yaml(tree), encoding="utf-8")
    done = cluster.submit("--study", str(file), script="jobs/study.py")
    assert done.returncode == 0, done.stdout[-3000:]
    folder = Path(cluster.environment["HOME"]) / "weam_ray" / "runs" / "study-submitted"
    assert {"answers.json", "cells.parquet", "report.html", "report.md"} <= {path.name for path in folder.iterdir()}
