"""An evaluation on GPUs, without one: what it asks of the cluster, and what its runs are told."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import lab as support
from weam_ray.errors import UserError
from weam_ray.evaluate.run import carry_on, finish_alignment, measure_alignment, run_trained, run_untrained
from weam_ray.evaluate.submit import Places, Submission
from weam_ray.jobs.evaluate import EvaluationJob

BOTH = pytest.mark.parametrize("use_gpu", [True, False])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, wordpiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    for write in (support.write_sib200, support.write_udpos, support.write_tatoeba, support.write_gold):
        write(folder / "data")
    support.write_encoder(folder / "encoder", wordpiece)
    return folder


def job(lab: Path, use_gpu: bool) -> EvaluationJob:
    chosen = ("--tasks", "sib200,tatoeba,alignment", "--intermediate", "udpos", "--languages", "de", "--seeds", "1")
    return support.job(lab, "output", *chosen, *(["--use-gpu"] if use_gpu else []))


@BOTH
def test_every_run_is_a_task_with_a_gpu_and_knows_it(lab: Path, monkeypatch: pytest.MonkeyPatch, use_gpu: bool) -> None:
    """But for joining what was measured, which is given no device."""
    reserved: list[tuple[float, float]] = []
    submitted: list[tuple[Any, ...]] = []

    class Tasks:
        def __init__(self, num_cpus: float, num_gpus: float = 0) -> None:
            reserved.append((num_cpus, num_gpus))

        def submit(self, step: Any, *arguments: Any) -> int:
            submitted.append((step, *arguments))
            return len(submitted)

        def get(self, reference: int) -> dict[str, Any]:
            return {"seconds": 0.0}

        def share(self, value: Any) -> Any:
            return value

    monkeypatch.setattr("weam_ray.evaluate.submit.RayTasks", Tasks)
    own = job(lab, use_gpu)
    Submission(own.plan, own.home.store, Places(own.folder), own.plan.runs)
    settings = own.settings
    assert reserved == [(settings.cluster.data_cpus, 0), (settings.threads, int(use_gpu))]
    steps = {step: arguments for step, *arguments in submitted}
    runs = {measure_alignment, run_untrained, carry_on, run_trained}
    assert set(steps) >= {*runs, finish_alignment}
    machine = (settings.threads, use_gpu)
    for step in runs:
        assert machine in pairwise(steps[step])


@BOTH
def test_a_cluster_without_room(lab: Path, monkeypatch: pytest.MonkeyPatch, use_gpu: bool) -> None:
    asked: list[dict[str, float]] = []

    def refuse(num_workers: int, per_worker: dict[str, float], setting: str) -> None:
        asked.append(per_worker)
        raise UserError("too many")

    monkeypatch.setattr("weam_ray.jobs.evaluate.check_capacity", refuse)
    monkeypatch.setattr("weam_ray.jobs.evaluate.slots_of_node", lambda num_cpus: 2.0)
    own = job(lab, use_gpu)
    threads = own.settings.threads
    message = f"^--threads {threads}: no node of the cluster has room for a run of {threads} CPU; the largest has 2 CPU"
    if use_gpu:
        message = f"^--threads {threads} --use-gpu: .* a run of {threads} CPU and 1 GPU; the largest has 2 CPU"
    with pytest.raises(UserError, match=message):
        own.check_cluster()
    assert asked == [{"CPU": float(threads), **({"GPU": 1.0} if use_gpu else {})}]
