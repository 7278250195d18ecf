"""Going on from the checkpoint of other workers: with the optimizer state where it can follow, else with weights."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.support import main_job
from tests.support.main_job import losses
from weam_ray.errors import UserError
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.settings.config import Config
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.checkpoint import folders, read_state
from weam_ray.train.log import read_steps

STEPS = ("training.micro_batch_size=4", "training.max_steps=20", "training.checkpoint_steps=10")
TWO = ("training.num_workers=2", "training.micro_batch_size=4")


def config_of(place: Path, *overrides: str) -> Config:
    return main_job.config_of(place, *STEPS, *overrides)


def run(place: Path, *overrides: str) -> Path:
    return main_job.run(place, *STEPS, *overrides)


def halfway(folder: Path) -> Path:
    """A copy of a run as it was after step 10, but for its log, which has steps that the checkpoint has not."""
    copy = folder.with_name(f"{folder.name}-halfway")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    (last,) = (path for path in folders(TrainingFolder(copy).checkpoints) if read_state(path).step == 20)
    shutil.rmtree(last)
    return copy


@pytest.mark.ray
def test_from_one_worker_to_two_at_stage_0(ray_session: None, place: Path) -> None:
    """Every worker holds the whole optimizer state there, so the run goes on as it would have."""
    whole = run(place)
    origin = halfway(whole)
    with pytest.raises(UserError, match=rf"num_workers: 1 there, 2 here.*training\.continue_from={origin}"):
        Pretraining.of(config_of(place, *TWO, f"output.dir={origin}"), place)
    found = run(place, *TWO, f"training.continue_from={origin}")
    assert losses(found)[:10] == losses(whole)[:10]
    assert losses(found)[10:] == pytest.approx(losses(whole)[10:], rel=1e-5)
    client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow.db'}")
    state = json.loads((found / "state.json").read_text(encoding="utf-8"))
    history = client.get_metric_history(state["mlflow_run_id"], "loss")
    assert sorted(entry.step for entry in history) == list(range(1, 21))
    shutil.rmtree(origin)  # it is needed no more
    assert run(place, *TWO, f"training.continue_from={origin}") == found


@pytest.mark.slow
@pytest.mark.ray
def test_its_own_settings_of_the_optimizer(ray_session: None, place: Path) -> None:
    """The moments go on, betas and weight decay are the new run's: they change the steps that follow."""
    whole = run(place)
    origin = halfway(whole)
    same, other = (
        run(place, f"training.continue_from={origin}", f"optimizer.betas={betas}", f"optimizer.weight_decay={decay}")
        for betas, decay in (("[0.9, 0.98]", 0.01), ("[0.5, 0.6]", 0.3))
    )
    assert losses(same) == losses(whole)
    assert losses(other)[:11] == losses(whole)[:11]
    assert losses(other)[12:] != pytest.approx(losses(whole)[12:], rel=1e-4)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_weights_alone_from_two_workers_to_one(ray_session: None, place: Path, stage: int) -> None:
    """What the two held in parts is put together: the next loss is that of the run of two, then new moments of Adam."""
    whole = run(place, *TWO, f"training.zero_stage={stage}")
    going_on = ("training.zero_stage=0", f"training.continue_from={halfway(whole)}")
    sentence = rf"step 10 was made by 2 workers at ZeRO stage {stage} in fp32; .*weights_only=true"
    with pytest.raises(UserError, match=sentence):
        run(place, *going_on)
    found = run(place, *going_on, "training.weights_only=true")
    assert losses(found)[:10] == losses(whole)[:10]
    assert losses(found)[10] == pytest.approx(losses(whole)[10], rel=1e-5)
    assert losses(found)[12:] != pytest.approx(losses(whole)[12:], rel=1e-5)
    assert [entry["learning_rate"] for entry in read_steps(found / "losses.jsonl")] == [
        entry["learning_rate"] for entry in read_steps(whole / "losses.jsonl")
    ]


@pytest.mark.slow
@pytest.mark.ray
def test_weights_of_another_shape(ray_session: None, place: Path) -> None:
    origin = run(place)
    wider = "encoder.scratch={num_layers: 2, hidden_size: 16, num_heads: 2, intermediate_size: 32, max_positions: 64}"
    for more in (("training.weights_only=true",), ()):
        with pytest.raises(UserError, match=r"continue_from=.*: the weights do not fit this run: .*layer\.1"):
            run(place, wider, f"training.continue_from={origin}", "training.max_steps=30", *more)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_weights_alone_of_an_objective_with_frozen_ones(ray_session: None, place: Path, stage: int) -> None:
    origin = halfway(run(place, *TWO, "objective=word_aligned", f"training.zero_stage={stage}"))
    weights = (f"training.continue_from={origin}", "training.weights_only=true")
    found = run(place, "objective=word_aligned", *weights)
    assert losses(found)[10] == pytest.approx(losses(origin)[10], rel=1e-5)


def test_mistakes(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"weights_only goes with continue_from"):
        config_of(place, "training.weights_only=true")
    with pytest.raises(UserError, match=r"continue_from=.*: there is no run with checkpoints and losses"):
        Pretraining.of(config_of(place, f"training.continue_from={tmp_path}"), place)


@pytest.mark.ray
def test_nothing_left_to_do(ray_session: None, place: Path) -> None:
    with pytest.raises(UserError, match=r"of step 20, and training\.max_steps=20 leaves nothing to do"):
        Pretraining.of(config_of(place, f"training.continue_from={run(place)}", *TWO), place)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("setting", ["training.compile=true", "training.gradient_checkpointing=true"])
def test_a_run_goes_on_bit_by_bit_with_every_setting(ray_session: None, place: Path, setting: str) -> None:
    """From step 10, in its own folder, as after a kill; with dropout."""
    whole = run(place, setting)
    folder = halfway(whole)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    (folder / "state.json").write_text(json.dumps({**state, "status": "running"}), encoding="utf-8")
    for name in ("result.json", "model/model.safetensors"):
        (folder / name).unlink()
    assert run(place, setting, f"output.dir={folder}") == folder
    for name in ("losses.jsonl", "model/model.safetensors"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
