"""A tag for each word, whatever the words are."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import TEXTS
from tests.support.lab import write_encoder
from weam_ray.evaluate.kinds.tokens import IGNORED, Tokens, cut, subwords
from weam_ray.evaluate.tasks.reading import TOKENS
from weam_ray.settings.evaluation import Recipe

BOTH = pytest.mark.parametrize("tokenizer", ["wordpiece", "sentencepiece"], indirect=True)
LABELS = ("DET", "NOUN", "VERB", "X")
ODD = [
    "",
    " ",
    "\u200b",
    "\u00ad",
    "\ufffd",
    "\x00",
    "cafe\u0301",
    "👩‍👩‍👧‍👦",
    "½",
    "Việt Nam",
    "[SEP]",
    "</s>",
    "[UNK]",
    "▁",
    "##a",
    "a" * 150,
]
words = st.sampled_from([*ODD, *(word for text in TEXTS for word in text.split())]) | st.text(max_size=5)
sentences = st.lists(st.lists(words, max_size=30), min_size=1, max_size=4)


@pytest.fixture(scope="session")
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def table(sentences: list[list[str]], tags: Any = None) -> pa.Table:
    return pa.table({"words": sentences, "tags": tags or [None] * len(sentences)}, schema=TOKENS)


def logits(features: pa.Table, wanted: Any) -> np.ndarray:
    """(F, longest, labels) with the label that `wanted(row, word)` gives at the heads, padded as the Trainer pads."""
    lengths = [len(heads) for heads in features["heads"].to_pylist()]
    found = np.full((len(lengths), max(lengths), len(LABELS)), -100.0, np.float32)
    for number, (row, heads) in enumerate(zip(features["row"].to_pylist(), features["heads"].to_pylist(), strict=True)):
        found[number, : len(heads)] = np.random.default_rng(number).normal(size=(len(heads), len(LABELS)))
        for place, word in enumerate(heads):
            if word >= 0:
                found[number, place, wanted(row, word)] = 99.0
    return found


@BOTH
@settings(max_examples=60)
@given(sentences=sentences, max_length=st.integers(16, 40), seed=st.integers(0, 99))
def test_every_word_has_one_prediction(tokenizer: Any, sentences: list[list[str]], max_length: int, seed: int) -> None:
    """In whatever pieces a sentence is cut, and in whatever order these are predicted."""
    kind, recipe, rows = Tokens(), Recipe(max_length=max_length), table(sentences)
    features, rejected = kind.features(rows, tokenizer, recipe, LABELS, training=False)
    assert rejected == {}
    heads: dict[int, list[int]] = {row: [] for row in range(len(sentences))}
    for feature in features.to_pylist():
        assert len(feature["input_ids"]) == len(feature["heads"]) == len(feature["attention_mask"]) <= max_length
        heads[feature["row"]] += [word for word in feature["heads"] if word >= 0]
    assert heads == {row: list(range(len(sentence))) for row, sentence in enumerate(sentences)}
    features = features.take(np.random.default_rng(seed).permutation(features.num_rows))
    found = kind.predictions([logits(features, lambda row, word: (row + word) % 4)], features, rows, recipe, LABELS)
    expected = [[LABELS[(row + word) % 4] for word in range(len(own))] for row, own in enumerate(sentences)]
    assert found == expected


@BOTH
def test_a_sentence_that_fits_is_as_the_tokenizer_has_it(tokenizer: Any) -> None:
    sentences = [text.split() for text in TEXTS]
    features, _ = Tokens().features(table(sentences), tokenizer, Recipe(), LABELS, training=False)
    assert features["row"].to_pylist() == list(range(len(TEXTS)))
    for feature, own in zip(features.to_pylist(), sentences, strict=True):
        encoded = tokenizer(own, is_split_into_words=True)
        assert feature["input_ids"] == encoded["input_ids"]
        ids = encoded.word_ids()
        assert [word for word in feature["heads"] if word >= 0] == list(range(len(own)))
        for place, word in enumerate(feature["heads"]):
            assert word == (ids[place] if ids[place] is not None and ids[place] != ids[place - 1] else -1)


@BOTH
def test_a_word_of_which_nothing_is_left_is_unknown(tokenizer: Any) -> None:
    found = subwords(["the", "", "cat"], tokenizer)
    assert found[1] == [tokenizer.unk_token_id]
    assert found[0] == subwords(["the"], tokenizer)[0]
    assert all(found)


def test_control_characters_are_unknown_to_wordpiece(wordpiece: Any) -> None:
    assert subwords(["\ufffd", "\u200b"], wordpiece) == [[wordpiece.unk_token_id]] * 2


def test_cut_between_words() -> None:
    """Pieces are as long as they can be; a word that is longer than all of the room loses its end."""
    assert cut([[1, 2], [3], [4, 5, 6, 7, 8], [9], [10, 11, 12]], 4) == [
        [(0, [1, 2]), (1, [3])],
        [(2, [4, 5, 6, 7])],
        [(3, [9]), (4, [10, 11, 12])],
    ]
    assert cut([], 4) == [[]]


def test_labels_of_first_subwords(wordpiece: Any) -> None:
    rows = table([["the", "aujourd'hui", "ran"], ["dog"]], [["DET", "NOUN", "OTHER"], ["VERB"]])
    features, _ = Tokens().features(rows, wordpiece, Recipe(), LABELS, training=True)
    for feature, tags in zip(features.to_pylist(), rows["tags"].to_pylist(), strict=True):
        assert len(feature["labels"]) == len(feature["input_ids"])
        for label, word in zip(feature["labels"], feature["heads"], strict=True):
            known = word >= 0 and tags[word] in LABELS
            assert label == (LABELS.index(tags[word]) if known else IGNORED)
    assert sum(label != IGNORED for own in features["labels"].to_pylist() for label in own) == 3


def test_hidden_tags(wordpiece: Any) -> None:
    rows = table([["the", "dog"], ["ran"]])
    features, _ = Tokens().features(rows, wordpiece, Recipe(), LABELS, training=False)
    assert {label for own in features["labels"].to_pylist() for label in own} == {IGNORED}
    assert Tokens().gold(rows) is None
    assert Tokens().labels(rows) == set()
    shown = table([["the", "dog"]], [["DET", "NOUN"]])
    assert Tokens().gold(shown) == [["DET", "NOUN"]]
    assert Tokens().labels(pa.concat_tables([rows, shown])) == {"DET", "NOUN"}


def test_batches_go_through_the_model(wordpiece: Any, tmp_path: Any) -> None:
    kind = Tokens()
    rows = table([["the", "cat"], ["a", "dog", "ran", "home"]], [["DET", "NOUN"], ["DET", "NOUN", "VERB", "X"]])
    features, _ = kind.features(rows, wordpiece, Recipe(), LABELS, training=True)
    batch = kind.collator(wordpiece)(features.drop_columns(["heads", "row"]).to_pylist())
    model = kind.model(str(write_encoder(tmp_path, wordpiece)), LABELS, Recipe()).eval()
    outputs = model(**batch)
    assert outputs.logits.shape == (2, max(len(ids) for ids in features["input_ids"].to_pylist()), len(LABELS))
    assert outputs.loss > 0
    found = kind.predictions([outputs.logits.detach().numpy()], features, rows, Recipe(), LABELS)
    assert [len(tags) for tags in found] == [2, 4]
