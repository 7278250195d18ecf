"""Retrieval: pairs of texts that train one encoder, and rankings of candidates."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray

from tests.conftest import TEXTS
from tests.support.lab import write_encoder
from tests.support.writing import write, write_json_lines
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.kinds.retrieval import SCALE, Nearest, Retrieval, text_vectors
from weam_ray.evaluate.rankings import BEST, pooled, rankings, trained_vectors, untrained
from weam_ray.evaluate.tasks import TASKS, mewslix
from weam_ray.evaluate.tasks.reading import QUERIES, SENTENCES
from weam_ray.measure.states import sentence_vectors
from weam_ray.settings.evaluation import Recipe

KIND = Retrieval()
PAIRS = pa.table({"text": TEXTS[:4], "pair": TEXTS[4:8], "label": [None] * 4}, schema=SENTENCES)


@pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
def test_features_of_both_texts(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    features, rejected = KIND.features(PAIRS, tokenizer, Recipe(max_length=16), (), training=True)
    assert (rejected, features["row"].to_pylist()) == ({}, [0, 1, 2, 3])
    for feature, row in zip(features.to_pylist(), PAIRS.to_pylist(), strict=True):
        for side in ("text", "pair"):
            expected = tokenizer(row[side], truncation=True, max_length=16)
            assert {name: feature[f"{side}_{name}"] for name in expected} == dict(expected)


@pytest.mark.parametrize(("given", "length"), [(6, 6), (None, 16), (40, 16)])
def test_queries_are_cut_at_their_own_length(wordpiece: Any, given: int | None, length: int) -> None:
    """Not those that they look for: of which 6 tokens would be too few; nor beyond all that is read."""
    long = pa.table({"text": [" ".join(TEXTS)] * 2, "pair": [" ".join(TEXTS)] * 2, "label": [None] * 2}, SENTENCES)
    features, _ = KIND.features(long, wordpiece, Recipe(max_length=16, max_query=given), (), training=True)
    assert [len(ids) for ids in features["text_input_ids"].to_pylist()] == [length] * 2
    assert [len(ids) for ids in features["pair_input_ids"].to_pylist()] == [16] * 2


@pytest.mark.parametrize("vector", ["pooler", "first_token"])
def test_the_loss_is_a_softmax_over_the_pairs_of_a_batch(wordpiece: Any, tmp_path: Path, vector: Any) -> None:
    model = KIND.model(str(write_encoder(tmp_path, wordpiece)), (), Recipe(vector=vector)).eval()
    features, _ = KIND.features(PAIRS, wordpiece, Recipe(), (), training=True)
    batch = KIND.collator(wordpiece)(features.drop_columns(["row"]).to_pylist())
    with torch.no_grad():
        outputs = model(**batch)

        def vector_of(text: str) -> torch.Tensor:
            outputs = model.base_model(**wordpiece(text, return_tensors="pt"))
            return outputs.pooler_output[0] if vector == "pooler" else outputs.last_hidden_state[0, 0]

        vectors = [torch.stack(list(map(vector_of, own))) for own in (TEXTS[:4], TEXTS[4:8])]
    cosines = torch.nn.functional.cosine_similarity(vectors[0][:, None], vectors[1][None], dim=2)
    expected = -torch.log_softmax(SCALE * cosines, dim=1).diagonal().mean()
    torch.testing.assert_close(outputs["loss"], expected, rtol=1e-3, atol=1e-4)
    assert outputs["found"].tolist() == (cosines.argmax(dim=1) == torch.arange(4)).float().tolist()
    assert KIND.predictions([outputs["found"].numpy()], features, PAIRS, Recipe(), ()) == outputs["found"].tolist()
    assert "scale" in dict(model.named_parameters())


def test_equal_texts_find_each_other(wordpiece: Any, tmp_path: Path) -> None:
    model = KIND.model(str(write_encoder(tmp_path, wordpiece)), (), Recipe()).eval()
    same = PAIRS.set_column(1, "pair", PAIRS["text"])
    features, _ = KIND.features(same, wordpiece, Recipe(), (), training=True)
    batch = KIND.collator(wordpiece)(features.drop_columns(["row"]).to_pylist())
    assert model(**batch)["found"].tolist() == [1.0] * 4


def test_gold() -> None:
    rows = pa.table({"id": ["a", "b"], "text": ["x", "y"], "targets": [["1", "2"], ["3"]]}, schema=QUERIES)
    assert KIND.gold(rows) == {"a": ["1", "2"], "b": ["3"]}
    assert Nearest().gold(rows.slice(1)) == ["3"]
    hidden = pa.table({"id": ["a"], "text": ["x"], "targets": [None]}, schema=QUERIES)
    assert KIND.gold(hidden) is None
    assert Nearest().gold(hidden) is None
    assert KIND.labels(rows) == set()


class TestEncoders:
    @pytest.fixture
    def model(self, wordpiece: Any, tmp_path: Path) -> Any:
        from transformers import AutoModel

        return AutoModel.from_pretrained(write_encoder(tmp_path, wordpiece))

    def test_means_of_a_layer(self, model: Any, wordpiece: Any) -> None:
        """7/12 of the way up two layers is the second."""
        ids = [np.array(wordpiece(text, add_special_tokens=False)["input_ids"], np.int32) for text in TEXTS]
        for given, layer in ((None, 2), (1, 1), (0, 0)):
            found = pooled(model, wordpiece, Recipe(layer=given, prediction_batch_size=4))(TEXTS)
            np.testing.assert_allclose(found, sentence_vectors(model, wordpiece, ids, layer, 128, 4), atol=1e-6)
        with pytest.raises(UserError, match="the encoder has layers 0"):
            pooled(model, wordpiece, Recipe(layer=3))

    @torch.no_grad()
    def test_vectors_in_the_order_of_the_texts(self, model: Any, wordpiece: Any) -> None:
        model.train()
        for vector in ("pooler", "first_token"):
            recipe = Recipe(prediction_batch_size=2, vector=vector)
            found = trained_vectors(model, wordpiece, recipe, 16)(TEXTS)
            for text, own in zip(TEXTS, found, strict=True):
                outputs = model(**wordpiece(text, truncation=True, max_length=16, return_tensors="pt"))
                expected = outputs.pooler_output[0] if vector == "pooler" else outputs.last_hidden_state[0, 0]
                np.testing.assert_allclose(own, expected.numpy(), atol=1e-5)

    def test_an_encoder_without_a_pooler_gives_first_tokens(self) -> None:
        states = torch.rand(2, 3, 4)
        outputs = SimpleNamespace(last_hidden_state=states)
        assert torch.equal(text_vectors(outputs, Recipe()), states[:, 0])


def letters(texts: Sequence[str]) -> NDArray[np.float32]:
    """Counts of letters, so that a text is nearest to itself."""
    return np.array([[text.count(letter) for letter in "abcdefgh"] for text in texts], np.float32)


class TestRankings:
    def write_mewslix(self, root: Path) -> TaskData:
        context = {"sentence_spans": [{"start": 0, "end": 2}]}
        for code, words in {"de": ["ab", "cd"], "en": ["ef"]}.items():
            span = {"start": 0, "end": 2}
            mentions = [
                {
                    "context": {**context, "text": word},
                    "mentions": [{"example_id": f"{code}-{word}", "mention_span": span, "entity_id": ""}],
                }
                for word in words
            ]
            write_json_lines(root / f"mewslix/wikinews_mentions/test-{code}.jsonl", mentions)
        entities = [
            {"entity_id": f"Q{number}", "description": text, "sentence_spans": [{"start": 0, "end": len(text)}]}
            for number, text in enumerate(
                ["gh", "abab", "cdcd", "efef"] + ["ah" * (number + 1) for number in range(30)]
            )
        ]
        write_json_lines(root / "mewslix/candidate_set_entities.jsonl", entities)
        return TaskData.found(TASKS["mewslix"], root)

    def test_candidates_of_several_languages_are_encoded_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mewslix, "ROWS", 7)
        data, encoded = self.write_mewslix(tmp_path), []

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            encoded.append(len(texts))
            return letters(texts)

        found = rankings(data, {code: data.read("test", code) for code in ("de", "en")}, encode)
        assert encoded == [2, 1, 7, 7, 7, 7, 6]  # queries by language, candidates some at a time
        assert {name: own[0] for names in found.values() for name, own in names.items()} == {
            "de-ab": "Q1",
            "de-cd": "Q2",
            "en-ef": "Q3",
        }
        assert {len(set(own)) for names in found.values() for own in names.values()} == {BEST}

    def test_queries_are_encoded_as_they_were_in_training(self, tmp_path: Path) -> None:
        data = self.write_mewslix(tmp_path)
        asked: list[str] = []

        def encode_queries(texts: Sequence[str]) -> NDArray[np.float32]:
            asked.extend(texts)
            return letters(["efef"] * len(texts))

        found = rankings(data, {"de": data.read("test", "de")}, letters, encode_queries)
        assert len(asked) == 2
        assert {own[0] for own in found["de"].values()} == {"Q3"}

    def test_fewer_candidates_than_a_ranking_has(self, tmp_path: Path) -> None:
        write(tmp_path / "tatoeba/tatoeba.deu-eng.deu", "bbb\naaa\n")
        write(tmp_path / "tatoeba/tatoeba.deu-eng.eng", "b\na\n")
        write(tmp_path / "tatoeba/tatoeba.fra-eng.fra", "c\n")
        write(tmp_path / "tatoeba/tatoeba.fra-eng.eng", "c\n")
        data = TaskData.found(TASKS["tatoeba"], tmp_path)
        found = rankings(data, {code: data.read("test", code) for code in ("de", "fr")}, letters)
        assert found == {"de": {"0": ["0", "1"], "1": ["1", "0"]}, "fr": {"0": ["0"]}}

    def test_without_training(self, tmp_path: Path, wordpiece: Any) -> None:
        """The candidates are the queries in another order, so each must find itself."""
        write(tmp_path / "tatoeba/de-en.de", "\n".join(TEXTS))
        write(tmp_path / "tatoeba/de-en.en", "\n".join(TEXTS[::-1]))
        data = TaskData.found(TASKS["tatoeba"], tmp_path)
        model = str(write_encoder(tmp_path / "model", wordpiece))
        found = untrained(data, {"de": data.read("test", "de")}, model, Recipe(prediction_batch_size=4), 1, "cpu")
        assert found == {"de": [str(number) for number in range(len(TEXTS))][::-1]}
