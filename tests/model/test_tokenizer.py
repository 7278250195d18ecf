"""Tokenizers: trained, loaded, refused; and the frame around a pair."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import normalizers
from transformers import AddedToken

from tests.conftest import TEXTS
from weam_ray.errors import UserError
from weam_ray.model.tokenizer import SPECIAL_TOKENS, PairTemplate, load_tokenizer, train_wordpiece
from weam_ray.settings.data import TokenizerSection

BOTH = pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])


class TestPairTemplate:
    @BOTH
    @pytest.mark.parametrize(
        ("x", "y"), [(TEXTS[0], TEXTS[5]), (TEXTS[6], TEXTS[7]), ("a", "das alte Haus"), ("'", "。")]
    )
    def test_reproduces_the_tokenizer(self, request: pytest.FixtureRequest, kind: str, x: str, y: str) -> None:
        """Token ids and token types of a pair are exactly those of `tokenizer(x, y)`."""
        tokenizer = request.getfixturevalue(kind)
        template = PairTemplate.of(tokenizer)
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (x, y)]
        parts = [template.prefix, ids[0], template.middle, ids[1], template.suffix]
        expected = tokenizer(x, y, return_token_type_ids=True)
        assert [int(value) for part in parts for value in part] == expected["input_ids"]
        assert np.repeat(template.types, [len(part) for part in parts]).tolist() == expected["token_type_ids"]

    @BOTH
    def test_number_of_special_tokens(self, request: pytest.FixtureRequest, kind: str) -> None:
        tokenizer = request.getfixturevalue(kind)
        assert PairTemplate.of(tokenizer).num_special == tokenizer.num_special_tokens_to_add(pair=True)

    def test_forms(self, wordpiece: Any, sentencepiece: Any) -> None:
        """`[CLS] x [SEP] y [SEP]` with types 0 and 1; `<s> x </s></s> y </s>` with type 0 alone."""
        bert, roberta = PairTemplate.of(wordpiece), PairTemplate.of(sentencepiece)
        cls_id, sep_id = wordpiece.cls_token_id, wordpiece.sep_token_id
        assert (bert.prefix.tolist(), bert.middle.tolist(), bert.suffix.tolist()) == ([cls_id], [sep_id], [sep_id])
        assert bert.types == (0, 0, 0, 1, 1)
        assert roberta.middle.tolist() == [sentencepiece.sep_token_id] * 2
        assert roberta.types == (0, 0, 0, 0, 0)


class TestTrainWordpiece:
    def test_special_tokens_come_first(self, wordpiece: Any) -> None:
        assert wordpiece.convert_ids_to_tokens(range(5)) == list(SPECIAL_TOKENS)
        assert set(wordpiece.all_special_tokens) == set(SPECIAL_TOKENS)
        names = (
            wordpiece.pad_token,
            wordpiece.unk_token,
            wordpiece.cls_token,
            wordpiece.sep_token,
            wordpiece.mask_token,
        )
        assert names == SPECIAL_TOKENS

    def test_size_and_length(self, wordpiece: Any) -> None:
        assert len(wordpiece) <= 400
        assert wordpiece.model_max_length == 128

    @pytest.mark.parametrize("lowercase", [False, True])
    def test_case(self, lowercase: bool) -> None:
        tokenizer = train_wordpiece(["Haus haus Fluss"] * 5, TokenizerSection(lowercase=lowercase), max_length=16)
        upper, lower = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Haus", "haus"))
        assert (upper == lower) == lowercase

    @pytest.mark.parametrize(("marked", "bare"), [("été", "ete"), ("العَرَبِيَّة", "العربية"), ("दिन", "दन")])
    def test_accents_and_marks_are_kept(self, marked: str, bare: str) -> None:
        tokenizer = train_wordpiece([f"{marked} {bare}"] * 5, TokenizerSection(), max_length=16)
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (marked, bare)]
        assert ids[0] != ids[1]
        assert tokenizer.decode(ids[0]) == marked

    def test_the_same_text_gives_the_same_vocabulary(self) -> None:
        """The stage is named by its input alone, so a vocabulary must not hang on a hash table's order."""
        settings = TokenizerSection(vocab_size=300)
        first = train_wordpiece(TEXTS * 3, settings, max_length=64).get_vocab()
        for _ in range(3):
            assert train_wordpiece(TEXTS * 3, settings, max_length=64).get_vocab() == first


class TestLoad:
    @BOTH
    def test_saved_and_loaded(self, request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
        tokenizer = request.getfixturevalue(kind)
        tokenizer.save_pretrained(tmp_path)
        loaded = load_tokenizer(tmp_path)
        assert loaded.get_vocab() == tokenizer.get_vocab()
        assert loaded.mask_token_id == tokenizer.mask_token_id
        for text in TEXTS:
            assert loaded(text, TEXTS[0])["input_ids"] == tokenizer(text, TEXTS[0])["input_ids"]

    def test_no_mask_token(self, tmp_path: Path) -> None:
        tokenizer = train_wordpiece(TEXTS, TokenizerSection(vocab_size=100), max_length=16)
        tokenizer.mask_token = None
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(UserError, match="no mask token") as caught:
            load_tokenizer(tmp_path)
        assert f"encoder.name={tmp_path}" in str(caught.value)

    @pytest.mark.parametrize("name", ["missing", "./missing"])
    def test_missing_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UserError, match="its tokenizer cannot be loaded") as caught:
            load_tokenizer(str(tmp_path / name) if name == "missing" else name)
        assert "\n" not in str(caught.value)

    def test_folder_without_a_tokenizer(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(UserError, match="its tokenizer cannot be loaded"):
            load_tokenizer(tmp_path)

    def test_not_fast(self, tmp_path: Path) -> None:
        """A tokenizer in Python only, which has a mask token and no offsets."""
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CanineTokenizer"}))
        with pytest.raises(UserError, match="no character offsets"):
            load_tokenizer(tmp_path)

    def test_a_file_that_is_no_tokenizer(self, tmp_path: Path) -> None:
        for text in ("{}", "{", '{"model": 1}', '{"added_tokens": [], "model": {"type": "None"}}', ""):
            (tmp_path / "tokenizer.json").write_text(text)
            with pytest.raises(UserError, match="its tokenizer cannot be loaded"):
                load_tokenizer(tmp_path)


class TestAddedTokens:
    """Never is a text tokenized where nothing is left of an added token: that may take all memory."""

    @BOTH
    @pytest.mark.parametrize("token", ["\u200c", "\u200d\u200c", "\u00ad", "\x7f"])
    def test_of_which_nothing_is_left(
        self, request: pytest.FixtureRequest, tmp_path: Path, kind: str, token: str
    ) -> None:
        tokenizer = copy.deepcopy(request.getfixturevalue(kind))
        tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
        tokenizer.add_tokens(["aaaa", token, "eg"])
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(UserError) as caught:
            load_tokenizer(tmp_path, masks=False)
        for part in (f"encoder.name={tmp_path}: nothing is left of the added token {token!a}", "normalized=False"):
            assert part in str(caught.value)

    def test_in_files_of_the_older_form(self, tmp_path: Path, wordpiece: Any) -> None:
        words = wordpiece.get_vocab()
        (tmp_path / "vocab.txt").write_text("\n".join(sorted(words, key=words.__getitem__)) + "\n", encoding="utf-8")
        (tmp_path / "added_tokens.json").write_text(json.dumps({"\u200c": len(words)}))
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": False})
        )
        with pytest.raises(UserError, match="nothing is left of the added token"):
            load_tokenizer(tmp_path)

    def test_the_remedy(self, tmp_path: Path, wordpiece: Any) -> None:
        """Looked for in the text as it is, the token is found where it stands, and nowhere else."""
        tokenizer = copy.deepcopy(wordpiece)
        tokenizer.add_tokens([AddedToken("\u200c", normalized=False)])
        tokenizer.save_pretrained(tmp_path)
        loaded = load_tokenizer(tmp_path)
        known = wordpiece("the cat", add_special_tokens=False)["input_ids"]
        assert loaded("the cat", add_special_tokens=False)["input_ids"] == known
        joined = [*known, len(wordpiece), *known]
        assert loaded("the cat\u200cthe cat", add_special_tokens=False)["input_ids"] == joined

    def test_others_are_as_they_were(self, tmp_path: Path, wordpiece: Any, sentencepiece: Any) -> None:
        """Part of a token may go, and without such a normalizer all of it stays."""
        for tokenizer, tokens in (
            (wordpiece, ["\u0645\u06cc\u200c\u0631\u0648\u0645", "Hausboot"]),
            (sentencepiece, ["\u200c"]),
        ):
            changed = copy.deepcopy(tokenizer)
            changed.add_tokens(tokens)
            changed.save_pretrained(tmp_path / "saved")
            loaded = load_tokenizer(tmp_path / "saved")
            for place, token in enumerate(tokens):
                assert len(tokenizer) + place in loaded(f"a {token} b")["input_ids"]
