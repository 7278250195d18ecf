"""The choice of one continuation."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import TEXTS
from tests.support.lab import write_encoder
from weam_ray.evaluate.features import by_length
from weam_ray.evaluate.kinds.choice import Choice
from weam_ray.evaluate.tasks.reading import CHOICES
from weam_ray.settings.evaluation import Recipe

BOTH = pytest.mark.parametrize("tokenizer", ["wordpiece", "sentencepiece"], indirect=True)
KIND = Choice()


@pytest.fixture(scope="session")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def table(width: int, labels: list[int | None]) -> pa.Table:
    count = len(labels)
    choices = [[f"{TEXTS[-1 - number]} {choice}" for choice in range(width)] for number in range(count)]
    return pa.table({"prompt": TEXTS[:count], "choices": choices, "label": labels}, schema=CHOICES)


@BOTH
@pytest.mark.parametrize("width", [2, 3])
def test_features_are_a_pair_for_each_choice(tokenizer: Any, width: int) -> None:
    rows = table(width, [1, 0, 1])
    features, rejected = KIND.features(rows, tokenizer, Recipe(), (), training=True)
    assert (rejected, features["labels"].to_pylist()) == ({}, [1, 0, 1])
    for number, feature in enumerate(features.to_pylist()):
        for choice in range(width):
            encoded = tokenizer(TEXTS[number], f"{TEXTS[-1 - number]} {choice}")
            assert {name: feature[name][choice] for name in encoded} == dict(encoded)


def test_inputs_are_cut(wordpiece: Any) -> None:
    features, _ = KIND.features(table(2, [0] * 9), wordpiece, Recipe(max_length=16), (), training=True)
    assert {len(ids) for row in features["input_ids"].to_pylist() for ids in row} <= set(range(17))
    assert any(len(ids) == 16 for row in features["input_ids"].to_pylist() for ids in row)


def test_hidden_labels(wordpiece: Any) -> None:
    rows = table(2, [None, None])
    features, _ = KIND.features(rows, wordpiece, Recipe(), (), training=False)
    assert "labels" not in features.column_names
    assert (KIND.gold(rows), KIND.gold(table(2, [1, 0])), KIND.labels(rows)) == (None, [1, 0], set())


def test_predictions_stand_in_the_order_of_the_rows(wordpiece: Any) -> None:
    rows = table(3, [0] * 6)
    features = by_length(KIND.features(rows, wordpiece, Recipe(), (), training=False)[0])
    features = features.take([4, 0, 5, 2, 1, 3])
    outputs = np.eye(3, dtype=np.float32)[[row % 3 for row in features["row"].to_pylist()]]
    assert KIND.predictions([outputs], features, rows, Recipe(), ()) == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize("labels", [[1, 0, 1], [None] * 3])
def test_batches_go_through_the_model(labels: list[int | None], wordpiece: Any, tmp_path: Path) -> None:
    features, _ = KIND.features(table(2, labels), wordpiece, Recipe(), (), training=True)
    batch = KIND.collator(wordpiece)(features.drop_columns(["row"]).to_pylist())
    outputs = KIND.model(str(write_encoder(tmp_path, wordpiece)), (), Recipe())(**batch)
    assert outputs.logits.shape == (3, 2)
    assert batch["labels"].tolist() == [label or 0 for label in labels]
