"""A downstream task as what trials are compared by."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, BertConfig, BertForPreTraining

from tests.support.lab import write_encoder, write_sib200
from weam_ray.errors import UserError
from weam_ray.evaluate.development import development_parts
from weam_ray.measure.samples import interval
from weam_ray.model.encoder import build_encoder
from weam_ray.search.task_metric import TaskMetric
from weam_ray.settings.config import load_config
from weam_ray.settings.search import METRICS, metric_of, task_of_metric

RECIPE = "search.recipe={epochs: 6, learning_rate: 0.005, batch_size: 8}"


def metric(*overrides: str) -> TaskMetric:
    found = TaskMetric.of(load_config("bundled", ["search.metric=task:sib200", RECIPE, *overrides]))
    assert found is not None
    return found


def test_names() -> None:
    assert (task_of_metric("task:sib200"), task_of_metric("retrieval")) == ("sib200", None)
    assert metric_of("task:sib200").mode == "max"
    assert all(metric_of(name) is own for name, own in METRICS.items())
    assert TaskMetric.of(load_config("bundled")) is None
    for wrong in ("tasks:sib200", "'task:'", "loss"):
        with pytest.raises(UserError, match=r"is none of retrieval, held_out_loss, .*, and no task"):
            load_config("bundled", [f"search.metric={wrong}"])


def test_data_come_from_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAM_RAY_DATA_ROOT", str(tmp_path))
    assert metric().data_root == str(tmp_path)
    assert metric(f"data_root={tmp_path / 'own'}").data_root == str(tmp_path / "own")
    with pytest.raises(UserError, match="sib200"):
        metric().check()
    write_sib200(tmp_path)
    metric().check()


def test_a_model_is_fine_tuned_in_a_process_of_its_own(
    tmp_path: Path, wordpiece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sib200(tmp_path)
    model = write_encoder(tmp_path / "encoder", wordpiece)
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.setenv(name, "1")  # of a training: the process would wait for others
    own = metric(f"data_root={tmp_path}", f"encoder.name={model}", "training.threads_per_worker=1")
    found = own(None, AutoModelForMaskedLM.from_pretrained(model), wordpiece, None)
    value, figures = found.value, found.figures
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name)
    expected = development_parts(str(model), "sib200", tmp_path, own.recipe, own.seed, 1, False)
    assert value == pytest.approx(expected.percent / 100)
    assert figures == {"development_after/sib200": pytest.approx(value)}
    (sample,) = found.samples["development_after/sib200"]
    assert sample.numerator.tolist() == expected.numerator.tolist()
    assert len(sample.units) == 8  # the examples of the English development part
    low, high = interval(found.samples, 0) or (0.0, 0.0)
    assert low <= value <= high
    assert own.of_model(str(model)).value == value  # of an exported one, when a search is over


def test_what_the_process_says_is_passed_on(tmp_path: Path, wordpiece: Any) -> None:
    encoder = write_encoder(tmp_path / "encoder", wordpiece)
    model = AutoModelForMaskedLM.from_pretrained(encoder)
    with pytest.raises(UserError, match=r"search\.metric=task:sib200: the fine-tuning failed: .*sib200"):
        metric(f"data_root={tmp_path / 'empty'}", f"encoder.name={encoder}")(None, model, wordpiece, None)


def test_a_model_has_the_pooler_and_the_dropout_of_its_base(
    tmp_path: Path, wordpiece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would have if it were exported; the weights that were trained are those of the model."""
    base = tmp_path / "base"
    shape = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    BertForPreTraining(BertConfig(vocab_size=len(wordpiece), hidden_dropout_prob=0.2, **shape)).save_pretrained(base)
    wordpiece.save_pretrained(base)
    own = metric(f"data_root={tmp_path}", f"encoder.name={base}", "encoder.dropout=0.0")
    model = build_encoder(own.encoder, wordpiece, seed=1)
    assert model.config.hidden_dropout_prob == 0
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight.add_(1)
    found = []

    def run(command: list[str], **_: Any) -> Any:
        found.append(AutoModel.from_pretrained(command[command.index("--model") + 1]))
        return SimpleNamespace(
            returncode=0, stdout='{"score": 50, "numerator": [1, 0], "denominator": [1, 1]}', stderr=""
        )

    monkeypatch.setattr(subprocess, "run", run)
    assert own(None, model, wordpiece, None).value == 0.5
    before = AutoModel.from_pretrained(base)
    torch.testing.assert_close(found[0].pooler.dense.weight, before.pooler.dense.weight, rtol=0, atol=0)
    assert found[0].config.hidden_dropout_prob == 0.2
    words = found[0].embeddings.word_embeddings.weight
    torch.testing.assert_close(words, before.embeddings.word_embeddings.weight + 1)
