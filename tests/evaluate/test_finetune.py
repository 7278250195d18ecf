"""One fine-tuning run: accumulation is a larger batch, and the head is new whatever head the model came with."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from tests.support.features import features_of
from tests.support.lab import TOPICS, write_encoder, write_sib200
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.finetune import FineTuned, FineTuning
from weam_ray.evaluate.models import with_new_head
from weam_ray.evaluate.tasks import TASKS
from weam_ray.evaluate.tasks.base import Split
from weam_ray.store.folder import Folder
from weam_ray.store.stages import StageStore

SIB = TASKS["sib200"]
SPLITS: tuple[Split, ...] = ("train", "dev")


@pytest.fixture
def model(tmp_path: Path, wordpiece: Any) -> str:
    """Without dropout, which draws by the shape of batches."""
    folder = write_encoder(tmp_path / "model", wordpiece)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder)


def tuned(tmp_path: Path, model: str, keeps_head: bool = False, **recipe: Any) -> FineTuned:
    write_sib200(tmp_path / "data")
    given = SIB.recipe.model_copy(update={"epochs": 2.0, "learning_rate": 5e-3, "batch_size": 8, **recipe})
    data, store = TaskData.found(SIB, tmp_path / "data"), StageStore(Folder.at(tmp_path / "stages"))
    training, development = (features_of(data, split, ("en",), given, store, model) for split in SPLITS)
    return FineTuned(FineTuning(SIB, model, SIB.labels, given, 1, training, development, keeps_head=keeps_head))


def test_micro_batches_add_up_to_the_batch(tmp_path: Path, model: str) -> None:
    whole, cut = tuned(tmp_path, model), tuned(tmp_path, model, micro_batch_size=2)
    assert set(SIB.labels) > set(TOPICS)
    # Adam hides the scale of gradients, the loss of training does not
    first, second = (each.trainer.state.log_history[-1]["train_loss"] for each in (whole, cut))
    assert second == pytest.approx(first, rel=1e-3)
    for (name, one), two in zip(whole.model.named_parameters(), cut.model.parameters(), strict=True):
        torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-3, msg=name)


def test_a_data_set_is_not_pickled(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which fails with some versions of Python, dill and pyarrow."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the table was pickled")

    monkeypatch.setattr("datasets.fingerprint.Hasher.hash", refuse)
    write_sib200(tmp_path / "data")
    data, store = TaskData.found(SIB, tmp_path / "data"), StageStore(Folder.at(tmp_path / "stages"))
    encoded = features_of(data, "train", ("en",), SIB.recipe, store, model)
    assert len(encoded.dataset()) == sum(file.rows for file in encoded.stage.files("features"))


@pytest.mark.parametrize("labels", [3, 5])
def test_a_head_that_came_with_the_model_is_left_behind(tmp_path: Path, model: str, labels: int) -> None:
    own = AutoModelForSequenceClassification.from_pretrained(model, num_labels=labels, dtype=torch.float32)
    own.save_pretrained(model)
    torch.manual_seed(7)
    found = with_new_head("AutoModelForSequenceClassification", model, num_labels=3)
    assert found.classifier.weight.shape[0] == 3
    if labels == 3:
        assert not torch.equal(found.classifier.weight, own.classifier.weight)
    words = [each.get_input_embeddings().weight for each in (found, own)]
    assert torch.equal(*words)
    assert with_new_head("AutoModelForQuestionAnswering", model, num_labels=2).qa_outputs.weight.shape[0] == 2


def test_a_head_that_is_kept_is_the_one_that_was_saved(tmp_path: Path, model: str) -> None:
    before = tuned(tmp_path, model, epochs=1.0)
    before.save(tmp_path / "carried")
    still = {"epochs": 1.0, "learning_rate": 1e-30}
    kept = tuned(tmp_path, str(tmp_path / "carried"), keeps_head=True, **still)
    for (name, one), two in zip(before.model.named_parameters(), kept.model.parameters(), strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=0, msg=name)
    new = tuned(tmp_path, str(tmp_path / "carried"), **still)
    assert not torch.equal(new.model.classifier.weight, before.model.classifier.weight)
    words = [each.model.get_input_embeddings().weight for each in (new, before)]
    assert torch.equal(*words)


def test_a_pooler_that_a_head_does_not_use_is_kept(tmp_path: Path, model: str) -> None:
    """That of an encoder with one goes through a task of tags to one of sentences."""
    encoder = AutoModel.from_pretrained(model)
    folder = tmp_path / "pooled"
    encoder.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    tags = object.__new__(FineTuned)
    tags.model = with_new_head("AutoModelForTokenClassification", str(folder), num_labels=3)
    tags.tokenizer = AutoTokenizer.from_pretrained(folder)
    tags.run = SimpleNamespace(model=str(folder))
    tags.save(tmp_path / "carried")
    after = with_new_head("AutoModelForSequenceClassification", str(tmp_path / "carried"), num_labels=3)
    assert torch.equal(after.bert.pooler.dense.weight, encoder.pooler.dense.weight)
