"""How much of a budget is used, and where the learning rate stands."""

import json
from pathlib import Path
from typing import Any

import pytest

from weam_ray.settings.parsing import validated
from weam_ray.settings.training import TrainingSection
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.budget import Budget


def budget(tokens: int = 0, predictions: int = 0, seconds: float = 0.0, **limits: Any) -> Budget:
    return Budget(validated(TrainingSection, {"max_steps": 100, **limits}), tokens, predictions, seconds)


def test_by_steps_alone_the_learning_rate_stands_at_the_step() -> None:
    own = budget(tokens=10**9, predictions=10**9, seconds=1e9)
    assert [own.position(step) for step in (1, 50, 100)] == [1, 50, 100]
    assert (own.is_spent(99), own.is_spent(100)) == (False, True)


@pytest.mark.parametrize(
    ("limit", "used"), [("max_tokens", "tokens"), ("max_predictions", "predictions"), ("max_seconds", "seconds")]
)
def test_the_first_limit_that_is_reached_ends_it(limit: str, used: str) -> None:
    half, whole, over = (budget(**{used: amount, limit: 1000}) for amount in (500, 1000, 1300))
    assert half.position(10) == 50
    assert half.position(80) == 80  # steps are nearer their end
    assert not half.is_spent(10)
    assert half.is_spent(100)
    for own in (whole, over):
        assert own.is_spent(10)
        assert own.position(10) == 100


def test_what_the_logs_say(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path)
    losses = [{"step": step, "tokens": 100 * step, "masked_tokens": step} for step in (1, 2, 3)]
    timings = [{"step": step, "seconds": 0.5} for step in (1, 2, 3)]
    for file, lines in ((folder.losses, losses), (folder.timings, timings)):
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    own = Budget.of(validated(TrainingSection, {}), folder, 2)
    assert (own.tokens, own.predictions, own.seconds) == (300, 3, 1.0)
    assert Budget.of(validated(TrainingSection, {}), TrainingFolder(tmp_path / "none"), 0).tokens == 0
