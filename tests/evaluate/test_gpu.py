"""Which device the runs of an evaluation take, with stand-ins for it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.support.lab import write_encoder, write_gold
from weam_ray.evaluate.finetune import FineTuned, FineTuning
from weam_ray.evaluate.run import AlignmentRun, measure_alignment, run_untrained
from weam_ray.evaluate.tasks import TASKS

BOTH = pytest.mark.parametrize("use_gpu", [True, False])


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices that encoders are moved to; they stay where they are."""
    moved: list[str] = []

    def to(model: torch.nn.Module, target: Any) -> torch.nn.Module:
        if isinstance(target, str):  # else it is a type of numbers
            moved.append(target)
        return model

    monkeypatch.setattr("transformers.PreTrainedModel.to", to)
    return moved


@BOTH
def test_alignment_is_measured_there(tmp_path: Path, devices: list[str], wordpiece: Any, use_gpu: bool) -> None:
    write_gold(tmp_path)
    model = str(write_encoder(tmp_path / "model", wordpiece))
    found = measure_alignment(AlignmentRun(1, 0, model, None, tmp_path, 0, 1, None, "f"), model, 0, 1, use_gpu)
    assert found.name == "deen"
    assert devices == ["cuda" if use_gpu else "cpu"]


@BOTH
def test_an_untrained_encoder_predicts_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wordpiece: Any, use_gpu: bool
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("weam_ray.evaluate.run.untrained", lambda *given: asked.append(given) or {})
    run = SimpleNamespace(
        data=SimpleNamespace(task=SimpleNamespace(form=None)),
        tests=(),
        model=str(write_encoder(tmp_path / "model", wordpiece)),
        recipe=TASKS["tatoeba"].recipe,
        task="tatoeba",
        number=1,
        seed=1,
        name="tatoeba-1",
        trains_on=(),
        fingerprint="f",
    )
    (tmp_path / "runs").mkdir()
    run_untrained(run, str(tmp_path / "model"), tmp_path, 1, use_gpu)
    (given,) = asked
    assert given[-2:] == (1, "cuda" if use_gpu else "cpu")


@BOTH
def test_fine_tuning_is_done_there(monkeypatch: pytest.MonkeyPatch, use_gpu: bool) -> None:
    """The Trainer of transformers takes a GPU that it finds, unless it is told not to."""

    class Asked(Exception):
        """With what the Trainer would be given."""

    def arguments(**options: Any) -> None:
        raise Asked(options)

    monkeypatch.setattr("transformers.TrainingArguments", arguments)
    task = TASKS["sib200"]
    rows = SimpleNamespace(dataset=lambda: range(8))
    run = FineTuning(task, "model", (), task.recipe, 1, rows, rows, 1, use_gpu)
    tuned = object.__new__(FineTuned)
    tuned.run = run
    with pytest.raises(Asked) as caught:
        tuned.make_trainer(Path("folder"))
    assert caught.value.args[0]["use_cpu"] is not use_gpu
