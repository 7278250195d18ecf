"""A label for each text or pair."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.conftest import TEXTS
from tests.support.lab import write_encoder
from weam_ray.errors import UserError
from weam_ray.evaluate.features import by_length
from weam_ray.evaluate.kinds.sentences import Sentences
from weam_ray.evaluate.tasks.reading import SENTENCES
from weam_ray.settings.evaluation import Recipe

BOTH = pytest.mark.parametrize("tokenizer", ["wordpiece", "sentencepiece"], indirect=True)
LABELS = ("a", "b", "c")
KIND = Sentences()


@pytest.fixture(scope="session")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def table(texts: list[str], pairs: list[str] | None = None, labels: list[str] | None = None) -> pa.Table:
    empty = [None] * len(texts)
    return pa.table({"text": texts, "pair": pairs or empty, "label": labels or empty}, schema=SENTENCES)


@BOTH
@pytest.mark.parametrize("paired", [False, True])
def test_features(tokenizer: Any, paired: bool) -> None:
    rows = table(TEXTS, TEXTS[::-1] if paired else None)
    features, rejected = KIND.features(rows, tokenizer, Recipe(), LABELS, training=False)
    assert rejected == {}
    assert "labels" not in features.column_names
    for number, feature in enumerate(features.to_pylist()):
        expected = tokenizer(TEXTS[number], TEXTS[::-1][number] if paired else None)
        assert feature == {**expected, "row": number}


@BOTH
def test_the_longer_text_of_a_pair_loses_its_end(tokenizer: Any) -> None:
    long, short = TEXTS[2], "the cat"
    for text, pair in ((long, short), (short, long)):
        size = len(tokenizer(text, pair)["input_ids"]) - 3
        features, _ = KIND.features(table([text], [pair]), tokenizer, Recipe(max_length=size), LABELS, training=True)
        ids = features["input_ids"][0].as_py()
        assert len(ids) == size
        kept = tokenizer(short, add_special_tokens=False)["input_ids"]
        assert any(ids[start : start + len(kept)] == kept for start in range(size))


def test_labels_by_number(wordpiece: Any) -> None:
    """Labels that are not known are not learned."""
    rows = table(TEXTS[:3], labels=["c", "a", "z"])
    features, _ = KIND.features(rows, wordpiece, Recipe(), LABELS, training=True)
    assert features["labels"].to_pylist() == [2, 0, -100]
    assert (KIND.gold(rows), KIND.labels(rows)) == (["c", "a", "z"], {"a", "c", "z"})
    hidden = table(TEXTS[:3])
    assert (KIND.gold(hidden), KIND.labels(hidden)) == (None, set())


@BOTH
def test_predictions_stand_in_the_order_of_the_rows(tokenizer: Any) -> None:
    rows = table(TEXTS)
    features = by_length(KIND.features(rows, tokenizer, Recipe(), LABELS, training=False)[0])
    order = features["row"].to_pylist()
    assert order != sorted(order)
    outputs = np.eye(3, dtype=np.float32)[[row % 3 for row in order]]
    assert KIND.predictions([outputs], features, rows, Recipe(), LABELS) == [
        LABELS[row % 3] for row in range(len(TEXTS))
    ]


def test_batches_go_through_the_model(wordpiece: Any, tmp_path: Path) -> None:
    rows = table(TEXTS[:4], TEXTS[4:8], ["a", "b", "c", "a"])
    features, _ = KIND.features(rows, wordpiece, Recipe(), LABELS, training=True)
    batch = KIND.collator(wordpiece)(features.drop_columns(["row"]).to_pylist())
    assert batch["labels"].tolist() == [0, 1, 2, 0]
    outputs = KIND.model(str(write_encoder(tmp_path, wordpiece)), LABELS, Recipe())(**batch)
    assert outputs.logits.shape == (4, 3)
    assert outputs.loss > 0


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--model .*: no model can be loaded: "):
        KIND.model(str(tmp_path), LABELS, Recipe())
