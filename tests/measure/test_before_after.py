"""The held-out figures of an encoder before and after its training, as a task of the cluster."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch

from tests.support.lab import write_encoder
from weam_ray.errors import UserError
from weam_ray.measure.before_after import measure, measure_both
from weam_ray.measure.held_out import HeldOut
from weam_ray.settings.config import Config, load_config

BOTH = pytest.mark.parametrize("use_gpu", [True, False])


def config_of(use_gpu: bool) -> Config:
    return load_config("bundled", ["training.threads_per_worker=1", f"training.use_gpu={str(use_gpu).lower()}"])


@BOTH
def test_what_is_asked_of_ray(monkeypatch: pytest.MonkeyPatch, use_gpu: bool) -> None:
    """A GPU where training has them."""
    asked: dict[str, Any] = {}

    def remote(**options: Any) -> Any:
        asked.update(options)
        return lambda task: SimpleNamespace(remote=lambda *given: (task, *given))

    monkeypatch.setattr(ray, "remote", remote)
    monkeypatch.setattr(ray, "get", lambda reference: {"task": reference})
    config, data = config_of(use_gpu), SimpleNamespace()
    found = measure(config, data, Path("model"))
    assert asked == {"num_cpus": 1, "num_gpus": int(use_gpu), "max_retries": 1}
    assert found == {"task": (measure_both, config, data, Path("model"))}


def test_a_mistake_of_the_user_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(reference: Any) -> None:
        raise ray.exceptions.RayTaskError("measure_both", "traceback", UserError("too many layers"))

    monkeypatch.setattr(ray, "remote", lambda **_: lambda task: SimpleNamespace(remote=lambda *given: None))
    monkeypatch.setattr(ray, "get", get)
    with pytest.raises(UserError, match=r"^too many layers$"):
        measure(config_of(False), SimpleNamespace(), Path("model"))


@BOTH
def test_both_encoders_are_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wordpiece: Any, use_gpu: bool
) -> None:
    """Of the initial and the trained one; `before` has the weights of the seed, `after` those that were exported."""
    devices: list[str] = []
    parts: list[str] = []

    def to(model: torch.nn.Module, target: Any) -> torch.nn.Module:
        if isinstance(target, str):  # else it is a type of numbers
            devices.append(target)
        return model

    held_out = SimpleNamespace(
        measure=lambda model, tokenizer, settings: model.config.hidden_size, sizes=lambda: {"en-de": 3}
    )
    monkeypatch.setattr("transformers.PreTrainedModel.to", to)
    monkeypatch.setattr(HeldOut, "of", lambda data, part: parts.append(part) or held_out)
    data = SimpleNamespace(load_tokenizer=lambda: wordpiece, encoded=None)
    config = config_of(use_gpu)
    trained = write_encoder(tmp_path / "model", wordpiece)
    found = measure_both(config, data, trained)
    assert found == {
        "before": config.encoder.scratch.hidden_size,
        "after": 16,
        "held_out": {"part": "test", "rows": {"en-de": 3}, "level": 0.95},
    }
    assert parts == ["test"]
    assert devices == ["cuda" if use_gpu else "cpu"] * 2
