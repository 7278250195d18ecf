"""Processes that tests start, wait for, and kill: jobs, and scripts on a cluster of two raylets."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weam_ray.train.log import read_steps

CHECKOUT = Path(__file__).resolve().parents[2]

TWO_RAYLETS = """
import os
from ray.cluster_utils import Cluster
from weam_ray.cluster.environment import quiet_environment

quiet_environment()
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
os.environ["RAY_ADDRESS"] = cluster.address
"""


def environment(**more: str) -> dict[str, str]:
    """This process's, without what belongs to the Ray cluster of the tests."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return {**own, "PYTHONPATH": str(CHECKOUT), **more}


def start(arguments: list[str], log: Path, job: str = "pretrain") -> subprocess.Popen[bytes]:
    """A job of `jobs/` with a Ray cluster of its own."""
    return subprocess.Popen(
        [sys.executable, str(CHECKOUT / "jobs" / f"{job}.py"), *arguments],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env=environment(),
    )


def on_two_raylets(script: str, home: Path, *arguments: str, seconds: float = 400) -> Any:
    """What a script prints as JSON on its last line; it finds the `cluster` of two raylets with a CPU core each, and
    the cluster's token in a home of its own.
    """
    own = environment(HOME=str(home), RAY_AUTH_MODE="token")
    ray = Path(sys.executable).parent / "ray"
    subprocess.run([ray, "get-auth-token", "--generate"], env=own, check=True, capture_output=True)
    command = [sys.executable, "-c", TWO_RAYLETS + script, *arguments]
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Return as soon as a condition holds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        pause.wait(0.02)


def wait_for_step(job: subprocess.Popen[bytes], folder: Path, step: int, log: Path) -> None:
    """Return when a run has logged so many steps."""

    def logged() -> bool:
        assert job.poll() is None, log.read_text()
        return len(read_steps(folder / "losses.jsonl")) >= step

    wait_until(logged)
