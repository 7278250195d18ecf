"""The best model in MLflow's registry, without a search."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.artifacts import download_artifacts
from transformers import BertConfig, BertForMaskedLM

from weam_ray.overlap.record import FILE, Record
from weam_ray.search.champion import ALIAS, describe, register
from weam_ray.tracking.client import Tracker

TAGS = {"metric": "retrieval", "value": "0.500000"}


@pytest.fixture
def model(tmp_path: Path, wordpiece: Any) -> Path:
    folder = tmp_path / "model"
    shape = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=len(wordpiece), **shape)).save_pretrained(folder)
    wordpiece.save_pretrained(folder)
    (folder / FILE).write_bytes(Record(np.array([4, 5]), unknown=("bert",)).to_bytes())
    return folder


def test_what_it_has_seen_lies_beside_its_weights(model: Path, tmp_path: Path) -> None:
    tracker = Tracker(None, "weam-ray", tmp_path)
    tracker.open("search", None, {}, {})
    address = register(tracker, tracker.run_id, model, "own", TAGS)
    assert address == "models:/own@champion"
    mlflow.set_tracking_uri(tracker.uri)
    there = Path(download_artifacts(artifact_uri=address, dst_path=str(tmp_path / "downloaded")))
    (weights,) = there.rglob("*.safetensors")
    found = Record.beside(str(weights.parent))
    assert found is not None
    assert found.names.tolist() == [4, 5]
    register(tracker, tracker.run_id, model, "own", TAGS)  # it is there
    assert len(tracker.client.search_model_versions("name = 'own'")) == 1
    said = "On held-out pairs that nothing was chosen by it has 0.41 (95 % interval over sentences: 0.38 to 0.44)."
    describe(tracker, "own", said, {"test_value": "0.410000"})
    version = tracker.client.get_model_version_by_alias("own", ALIAS)
    assert version.description == said
    assert version.tags == {**TAGS, "test_value": "0.410000"}
