"""Tokens of raw text: what only looks like a token of another kind, and marks of words that are no part of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.lab import write_encoder
from tests.support.tables import aligned_table, unflat
from weam_ray.corpus.words import word_spans
from weam_ray.encode.stage import encode_table
from weam_ray.encode.tokens import encoded_texts, tokenize
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.models import tokenizer_of
from weam_ray.evaluate.tasks.reading import CHOICES, QUESTIONS, SENTENCES, TOKENS
from weam_ray.model.tokenizer import train_wordpiece
from weam_ray.settings.data import EncodeSection, TokenizerSection
from weam_ray.settings.evaluation import Recipe

CHINESE, ENGLISH = "今天天气很好。", "Is it raining today?"


def spans_of(tokenizer: Any, text: str) -> list[tuple[str, int, int]]:
    ids, spans, _ = tokenize(tokenizer, [text])
    return [
        (token, *place)
        for token, place in zip(tokenizer.convert_ids_to_tokens(ids), spans.reshape(-1, 2).tolist(), strict=True)
    ]


class TestBoundaries:
    def test_a_lone_metaspace_covers_nothing(self, sentencepiece: Any) -> None:
        (mark, start, end), first, *_ = spans_of(sentencepiece, CHINESE)
        assert (mark, start, end) == ("▁", 0, 0)
        assert first[1:] == (0, len(first[0]))

    def test_a_metaspace_that_begins_a_piece_is_part_of_it(self, sentencepiece: Any) -> None:
        token, start, end = spans_of(sentencepiece, ENGLISH)[0]
        assert token.startswith("▁I")
        assert (start, end) == (0, len(token) - 1)

    def test_in_the_text_itself(self) -> None:
        """A letter is no mark: Maltese has the one that byte-level tokenizers write for a space."""
        tokenizer = train_wordpiece(["ġ Ġ Ġurnata ▁ a"] * 9, TokenizerSection(vocab_size=100), max_length=64)
        found = spans_of(tokenizer, "Ġ ▁ Ġ")
        assert found == [("Ġ", 0, 1), ("▁", 2, 3), ("Ġ", 4, 5)]

    @pytest.mark.parametrize("mapping", ["parallel", "first"])
    def test_the_first_word_is_not_shifted(self, sentencepiece: Any, mapping: str) -> None:
        """The first token of a Chinese sentence's first word is linked, and not the mark before it."""
        links = [[(0, 0), (1, 1)]]
        table = aligned_table([(CHINESE, ENGLISH)], links)
        (row,) = encode_table(table, sentencepiece, EncodeSection(subword_mapping=mapping)).to_pylist()
        assert row["source_word_ids"][:2] == [-1, 0]
        assert row["target_word_ids"][0] == 0
        assert unflat(row["token_links"])[0] == (1, 0)

    def test_no_word_loses_its_tokens(self, sentencepiece: Any) -> None:
        """Each has those that begin where it begins."""
        for text in (CHINESE, "  今天 下雨", "สวัสดี ครับ", "a 今 b", ENGLISH):
            (row,) = encode_table(aligned_table([(text, ENGLISH)], [[]]), sentencepiece, EncodeSection()).to_pylist()
            starts = {start for token, start, end in spans_of(sentencepiece, text) if end > start}
            expected = {number for number, (start, _) in enumerate(word_spans(text)) if start in starts}
            assert expected <= {*row["source_word_ids"]}


class TestSpecial:
    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
    def test_typed_special_tokens_are_text(self, request: pytest.FixtureRequest, kind: str) -> None:
        tokenizer = request.getfixturevalue(kind)
        special = [token for token in tokenizer.all_special_tokens if token != tokenizer.unk_token]
        text = f"the {' cat '.join(special)} ran {''.join(special)}"
        ids, spans, _ = tokenize(tokenizer, [text])
        assert not set(ids.tolist()) & set(tokenizer.convert_tokens_to_ids(special))
        typed = text.index(special[0])
        assert any(start <= typed < end for start, end in spans.reshape(-1, 2).tolist())

    def test_the_tokenizer_itself_stays_as_it_is(self, wordpiece: Any) -> None:
        """An exported one masks where a user types its mask."""
        tokenize(wordpiece, ["the [MASK]"])
        assert wordpiece("the [MASK]")["input_ids"].count(wordpiece.mask_token_id) == 1

    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
    def test_where_the_tokenizer_puts_its_own(self, request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> None:
        """Of pairs and of texts alone, cut too; a Unigram model knows its special tokens as pieces."""
        tokenizer = tokenizer_of(str(write_encoder(tmp_path / "encoder", request.getfixturevalue(kind))))
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        typed = " cat ".join(token for token in tokenizer.all_special_tokens if token != tokenizer.unk_token)
        plain = "the dog ran"
        for texts, options in (
            ([plain, typed], {}),
            ([typed, plain], {"truncation": True, "max_length": 12}),
            ([typed, plain], {"add_special_tokens": False}),
        ):
            encoded = encoded_texts(tokenizer, texts, **options)
            pairs = encoded_texts(tokenizer, texts, texts[::-1], **options)
            expected = tokenizer(plain, **options)["input_ids"]
            assert encoded["input_ids"][texts.index(plain)] == expected
            frames = (tokenizer.num_special_tokens_to_add(pair) for pair in (False, True))
            for found, frame in zip((encoded, pairs), frames, strict=True):
                for ids in found["input_ids"]:
                    put = 0 if "add_special_tokens" in options else frame
                    assert sum(token in special for token in ids) == put

    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])
    def test_in_evaluation(self, request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> None:
        """In the features of every kind of task."""
        tokenizer = tokenizer_of(str(write_encoder(tmp_path / "encoder", request.getfixturevalue(kind))))
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        typed = f"the cat {tokenizer.sep_token} sat on {tokenizer.mask_token}{tokenizer.pad_token}"
        one = {"id": "a", "text": typed, "pair": typed, "label": "a", "words": typed.split(), "tags": ["a"] * 6}
        one |= {"prompt": typed, "choices": [typed, typed], "question": "who?", "context": typed}
        one |= {"answers": ["cat"], "starts": [4]}
        single, pair = (tokenizer.num_special_tokens_to_add(both) for both in (False, True))
        for task, schema, frame in (
            ("sentences", SENTENCES, pair),
            ("choice", CHOICES, pair),
            ("tokens", TOKENS, single),
            ("questions", QUESTIONS, pair),
            ("retrieval", SENTENCES, single),
        ):
            own = {**one, "label": 0} if task == "choice" else one
            rows = pa.Table.from_pylist([{name: own[name] for name in schema.names}], schema)
            recipe = Recipe(max_length=64, max_question=8, stride=8)
            features, _ = KINDS[task].features(rows, tokenizer, recipe, ("a",), False)
            ids = [name for name in features.column_names if name.endswith("input_ids")]
            assert ids
            for name in ids:
                column = features[name].combine_chunks()
                inputs = column.flatten().to_pylist() if task == "choice" else column.to_pylist()
                for found in inputs:
                    assert sum(token in special for token in found) == frame, task
