"""Fitting and decoding on two raylets, a worker killed in the middle of an iteration: not a bit changes."""

from pathlib import Path

import pytest

from tests.support.processes import on_two_raylets
from tests.support.texts import FIXTURES

# a process of its own: the tests' cluster has one raylet
SCRIPT = """
import hashlib, json, os, signal, sys, threading, time
from pathlib import Path
import gzip, psutil
import pyarrow as pa
import ray
from weam_ray.align.fast_align.bitext import Bitext, Side
from weam_ray.align.fast_align.fit import fit
from weam_ray.align.fast_align.model import Model
from weam_ray.align.fast_align.executors import Threads
from weam_ray.align.pharaoh import format_pharaoh
from weam_ray.align.symmetrize import symmetrize
from tests.support.align_job import config_of
from weam_ray.jobs.align import Alignment
from weam_ray.cluster.tasks import RayTasks
from weam_ray.settings.data import AlignSection
from weam_ray.corpus.words import segment

folder, fixture = Path(sys.argv[1]), Path(sys.argv[2])
lines = gzip.decompress(fixture.read_bytes()).decode().splitlines() * 40
sides = [line.split(" ||| ") for line in lines]


class Load:
    def __init__(self, shard, of):
        self.sides = sides[len(sides) * shard // of : len(sides) * (shard + 1) // of]

    def __call__(self):
        if ray.is_initialized():
            (folder / ray.get_runtime_context().get_node_id()).touch()
        return tuple(segment(pa.array([side[k] for side in self.sides]), "whitespace") for k in (0, 1))


def bits(lexicon, parts):
    told = hashlib.sha256(b"".join(lexicon.pieces()))
    for part in parts:
        told.update(part)
    return told.hexdigest()


def keep(number, part):
    return b"".join(part.pieces())


settings = AlignSection(lowercase=False)
here = bits(*fit([Load(0, 1)], settings, "whitespace", Threads(1), keep))
lexicon, parts = fit([Load(0, 1)], settings, "whitespace", Threads(1), lambda number, part: part)
words = Load(0, 1)()
found = Model(lexicon, tuple(parts)).align(Bitext(*(Side.of(side, False) for side in words)))
lines_here = format_pharaoh(symmetrize(found.forward, found.reverse, "grow-diag-final-and"))

ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
killed = []


def kill_one():
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not killed:
        for process in psutil.process_iter(["pid", "name", "cmdline"]):
            if process.info["cmdline"] and process.info["cmdline"][0].startswith("ray::expect"):
                os.kill(process.info["pid"], signal.SIGKILL)
                killed.append(process.info["pid"])
                return


def report(entry):
    if entry.iteration == 1 and entry.direction == "reverse":
        threading.Thread(target=kill_one).start()


there = bits(*fit([Load(shard, 5) for shard in range(5)], settings, "whitespace", RayTasks(1.0), keep, report))
text = folder.parent / "text.txt"
text.write_text("".join(f"{line}\\n" for line in lines))
arguments = ["--input", str(text), "--format", "pipes", "--source-lang", "en", "--target-lang", "de"]
arguments += ["--num-shards", "4", "--output", str(folder.parent / "out")]
arguments += [f"home={folder.parent / 'home'}", "corpus.rows_per_shard=2000"]
Alignment.of(config_of(*arguments), Path.cwd()).run()
job_same = (folder.parent / "out" / "links.pharaoh").read_bytes() == lines_here
print(json.dumps({"job": job_same, "same": here == there, "killed": len(killed), "nodes": len(list(folder.iterdir()))}))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.ray
def test_two_raylets_and_a_killed_worker(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    nodes.mkdir()
    found = on_two_raylets(SCRIPT, tmp_path, str(nodes), str(FIXTURES / "verses-en-de.txt.gz"))
    assert found == {"job": True, "same": True, "killed": 1, "nodes": 2}
