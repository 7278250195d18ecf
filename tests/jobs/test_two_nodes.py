"""The main job over two raylets, and a training worker killed in the middle: the losses of an undisturbed run."""

import json
from pathlib import Path

import pytest

from tests.support.main_job import tiny_overrides, write_moses
from tests.support.processes import on_two_raylets
from weam_ray.train.log import read_steps

# a process of its own: the tests' cluster has one raylet
SCRIPT = """
import json, os, signal, sys, threading
from pathlib import Path
import psutil
import ray
from tests.support.processes import wait_until
from weam_ray.settings.config import load_config
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.train.log import read_steps

overrides, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
seen = {"nodes": set(), "killed": 0}


def workers():
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] and process.info["cmdline"][0].startswith("ray::RayTrainWorker"):
            yield process


def kill_one(run):
    wait_until(lambda: len(read_steps(run / "losses.jsonl")) >= 25)
    own = list(workers())
    seen["nodes"] = {process.ppid() for process in own}
    os.kill(own[-1].pid, signal.SIGKILL)
    seen["killed"] += 1


for name in ("whole", "killed"):
    job = Pretraining.of(load_config("bundled", [*overrides, f"output.dir={folder / name}"]), folder)
    if name == "killed":
        threading.Thread(target=kill_one, args=(folder / name,), daemon=True).start()
    job.run()
print(json.dumps({"nodes": len(seen["nodes"]), "killed": seen["killed"]}))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_training_worker_killed_on_one_of_two_raylets(tmp_path: Path) -> None:
    overrides = [*tiny_overrides(tmp_path / "home", write_moses(tmp_path)), "training.max_steps=60"]
    overrides += ["training.num_workers=2", "training.zero_stage=2", "training.checkpoint_steps=10"]
    found = on_two_raylets(SCRIPT, tmp_path, json.dumps(overrides), str(tmp_path))
    assert found == {"nodes": 2, "killed": 1}
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    assert len(read_steps(whole / "losses.jsonl")) == 60
    assert (killed / "losses.jsonl").read_bytes() == (whole / "losses.jsonl").read_bytes()
    weights = "model/model.safetensors"
    assert (killed / weights).read_bytes() == (whole / weights).read_bytes()
