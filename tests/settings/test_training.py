"""Settings of training: batches that divide, and what goes together."""

from typing import Any

import pytest

from weam_ray.errors import UserError
from weam_ray.settings.config import load_config
from weam_ray.settings.training import TrainingSection


@pytest.mark.parametrize(
    ("given", "micro_batch_size", "threads", "accumulation"),
    [
        ({}, 32, 2, 1),
        ({"batch_size": 48, "num_workers": 2}, 24, 1, 1),
        ({"batch_size": 64, "num_workers": 4}, 16, 1, 1),
        ({"batch_size": 64, "num_workers": 4, "micro_batch_size": 2}, 2, 1, 8),
        ({"batch_size": 12, "micro_batch_size": 4, "threads_per_worker": 5}, 4, 5, 3),
        ({"batch_size": 8, "micro_batch_size": None, "threads_per_worker": None}, 8, 2, 1),
    ],
)
def test_batch_arithmetic(given: dict[str, Any], micro_batch_size: int, threads: int, accumulation: int) -> None:
    training = TrainingSection.model_validate(given)
    assert training.micro_batch_size == micro_batch_size
    assert training.threads_per_worker == threads
    assert training.accumulation_steps == accumulation


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_bf16_at_every_stage(stage: int) -> None:
    given = ["training.precision=bf16", f"training.zero_stage={stage}"]
    assert load_config("bundled", given).training.precision == "bf16"


def test_lengths_on_a_gpu_are_multiples_of_16_unless_another_number_is_given() -> None:
    for given, multiple in (({}, 1), ({"use_gpu": True}, 16), ({"use_gpu": True, "length_multiple": 8}, 8)):
        assert TrainingSection.model_validate(given).padded_to == multiple
    assert TrainingSection.model_validate({"length_multiple": 4}).padded_to == 4
    with pytest.raises(UserError, match=r"training\.length_multiple"):
        load_config("bundled", ["training.length_multiple=0"])


def test_a_multiple_counts_in_fingerprints_where_it_is_given() -> None:
    """It is younger than runs that are to go on."""
    plain, padded = (load_config("bundled", own).result_settings() for own in ([], ["training.length_multiple=8"]))
    assert "length_multiple" not in plain["training"]
    assert padded["training"] == {**plain["training"], "length_multiple": 8}
