"""The tasks of an evaluation: what each run is given, features made once, and what is done left out. No Ray is up."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.features import Here
from tests.support.lab import write_encoder, write_gold, write_sib200, write_tatoeba, write_udpos
from weam_ray.evaluate import submit as module
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.run import AlignmentRun, Run
from weam_ray.evaluate.submit import Places, Submission
from weam_ray.evaluate.tasks import TASKS
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import StageStore


class Reference:
    """A result to come, which has come."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Cluster(Here):
    """Tasks that are done as they are submitted, and give references."""

    def __init__(self, num_cpus: float, num_gpus: float = 0) -> None:
        pass

    def submit(self, step: Any, *arguments: Any) -> Reference:
        return Reference(step(*map(self.get, arguments)))

    def share(self, value: Any) -> Reference:
        return Reference(value)

    def get(self, result: Any) -> Any:
        return result.value if isinstance(result, Reference) else result


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """What the functions of runs were called with, by the name of the run."""
    calls: dict[str, tuple[Any, ...]] = {}

    def record(run: Run | AlignmentRun, *arguments: Any) -> dict[str, Any]:
        calls[run.name] = arguments
        return {"seconds": 0.0}

    def carry_on(run: Run, training: Encoded, development: Encoded, model: str, folder: Path, *machine: Any) -> str:
        assert (training.rows.num_rows, development.rows.num_rows) == (12, 6)
        return f"{model} after {folder.name.rpartition('-')[0]}"

    monkeypatch.setattr(module, "RayTasks", Cluster)
    monkeypatch.setattr(module, "run_trained", record)
    monkeypatch.setattr(module, "run_untrained", record)

    def finish(run: AlignmentRun, folder: Path, measured: tuple[str, int]) -> dict[str, Any]:
        encoder, number = measured
        assert number == 0
        return record(run, encoder, folder)

    monkeypatch.setattr(module, "measure_alignment", lambda run, encoder, number, *_: (encoder, number))
    monkeypatch.setattr(module, "finish_alignment", finish)
    monkeypatch.setattr(module, "carry_on", carry_on)
    monkeypatch.setattr("ray.wait", lambda references, num_returns: (references[:1], references[1:]))
    return calls


def test_what_runs_are_given(tmp_path: Path, wordpiece: Any, given: dict[str, tuple[Any, ...]]) -> None:
    for write in (write_sib200, write_udpos, write_tatoeba, write_gold):
        write(tmp_path / "data")
    model = str(write_encoder(tmp_path / "encoder", wordpiece))
    tree = {
        "system": "encoder",
        "models": [model],
        "tasks": ["sib200", "tatoeba", "alignment"],
        "languages": ["de"],
        "intermediate": ["udpos"],
        "num_seeds": 3,
        "data_root": str(tmp_path / "data"),
        "output": str(tmp_path / "output"),
        "threads": 2,
    }
    plan = EvaluationPlan(EvaluationSettings.model_validate(tree), SourceHashes(tmp_path / "hashes.json"))
    store = StageStore(Folder.at(tmp_path / "stages"))
    names = {"sib200-1", "sib200-3", *(f"{task}-{seed}" for task in ("tatoeba", "alignment") for seed in (1, 2, 3))}
    submission = Submission(
        plan, store, Places(tmp_path / "output"), [run for run in plan.runs if run.name != "sib200-2"]
    )
    assert {run.name for run, _ in submission.records()} == set(given) == names
    sib, tatoeba = (TaskData.found(TASKS[name], tmp_path / "data") for name in ("sib200", "tatoeba"))
    for seed in (1, 3):
        training, development, encoder, folder, threads, use_gpu, *tests = given[f"sib200-{seed}"]
        assert (encoder, folder, threads, use_gpu) == (f"{model} after udpos-{seed}", tmp_path / "output", 2, False)
        assert training.rows.equals(sib.read("train", "en"))
        assert development.rows.equals(sib.read("dev", "en"))
        assert [test.rows for test in tests] == [sib.read("test", code) for code in ("en", "de")]
    for seed in (1, 2, 3):  # what nothing trains is measured on the encoder that the chain leaves
        encoder, *_, rows = given[f"tatoeba-{seed}"]
        assert (encoder, rows) == (f"{model} after udpos-{seed}", tatoeba.read("test", "de"))
        assert isinstance(rows, pa.Table)
        assert given[f"alignment-{seed}"] == (f"{model} after udpos-{seed}", tmp_path / "output")
    assert len(list((tmp_path / "stages").iterdir())) == 6  # of two tasks training and development, of one two tests
    assert not any(planned.tables for planned in [*plan.tasks, *plan.chain])
