"""Jobs as processes of their own, for tests that send them signals."""

import os
import subprocess
import sys
import time
from pathlib import Path

from weam_ray.train.log import read_steps

CHECKOUT = Path(__file__).resolve().parents[2]


def start(overrides: list[str], log: Path) -> subprocess.Popen[bytes]:
    """`jobs/pretrain.py` with a Ray cluster of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, str(CHECKOUT / "jobs" / "pretrain.py"), *overrides],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        env={**environment, "PYTHONPATH": str(CHECKOUT)},
    )


def wait_for_step(job: subprocess.Popen[bytes], folder: Path, step: int, log: Path) -> None:
    """Return when a run has logged so many steps."""
    deadline = time.monotonic() + 300
    while len(read_steps(folder / "losses.jsonl")) < step:
        assert time.monotonic() < deadline
        assert job.poll() is None, log.read_text()
        time.sleep(0.05)
