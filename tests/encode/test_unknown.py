"""Unknown tokens: none where a tokenizer is trained on the text, counted by language, and warned of."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.support.tables import aligned_table
from weam_ray.encode.stage import encode_table
from weam_ray.encode.unknown import UnknownCounts
from weam_ray.model.tokenizer import LONGEST_WORD, train_wordpiece
from weam_ray.settings.data import EncodeSection, TokenizerSection

UNSPACED = {
    "th": "ภาษา ไทย เป็น มี ระดับ เสียง ของ คำ แน่นอน หรือ เช่น เดียว กับ บ้าน คน กิน ข้าว",
    "lo": "ພາສາ ລາວ ເປັນ ປະເທດ ຂອງ ຄົນ ກິນ ເຂົ້າ ນ້ຳ ບ້ານ",
    "km": "ភាសា ខ្មែរ គឺ ជា កំណើត របស់ ជន ផ្ទះ ទឹក បាយ",
    "my": "မြန်မာ ဘာသာ စကား သည် လူ အိမ် ရေ ထမင်း",
    "de": "donau dampf schiff fahrts gesellschafts kapitän",
}


def sentences(words: str, count: int, length: int) -> list[str]:
    """Texts of a language without spaces, each of one run of at least so many characters."""
    choose = random.Random(1).choice
    found = []
    for _ in range(count):
        text = ""
        while len(text) < length:
            text += choose(words.split())
        found.append(text)
    return found


def share(tokenizer: Any, texts: list[str]) -> float:
    ids = [token for row in tokenizer(texts, add_special_tokens=False)["input_ids"] for token in row]
    return ids.count(tokenizer.unk_token_id) / len(ids)


@pytest.mark.parametrize("length", [130, 1_000])
@pytest.mark.parametrize("language", UNSPACED)
def test_no_text_becomes_unknown(language: str, length: int, tmp_path: Path) -> None:
    texts = sentences(UNSPACED[language], 60, length)
    tokenizer = train_wordpiece(texts[:40], TokenizerSection(vocab_size=500), max_length=512)
    assert share(tokenizer, texts) == 0
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert [tokenizer.decode(ids).replace(" ", "") for ids in encoded] == texts
    assert len({token for ids in encoded for token in ids}) > 20  # words are learned, not characters or sentences alone
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)(texts, add_special_tokens=False)["input_ids"] == encoded


def test_a_long_word_among_others_that_come_later() -> None:
    """The held-out texts alone have one: it is cut too, and a character that training did not show stands alone."""
    ordinary = ["das alte Haus steht am Fluss"] * 5
    long_word = "Haus" * 40
    tokenizer = train_wordpiece(ordinary, TokenizerSection(vocab_size=200), 512, others=[long_word])
    assert share(tokenizer, [long_word]) == 0
    tokens = tokenizer.tokenize(f"{long_word}ж{long_word}")
    assert tokens.count("[UNK]") == 1
    assert "".join(tokens).replace("##", "").replace("[UNK]", "ж") == f"{long_word}ж{long_word}"


def test_texts_without_long_words_have_the_tokenizer_that_they_had() -> None:
    texts = ["das alte Haus steht am Fluss", "x" * LONGEST_WORD]
    plain = train_wordpiece(texts * 5, TokenizerSection(vocab_size=200), max_length=64)
    assert plain.backend_tokenizer.pre_tokenizer.__class__.__name__ == "BertPreTokenizer"


class TestCounts:
    def counts(self, tokenizer: Any, pairs: list[tuple[str, str]]) -> UnknownCounts:
        found = UnknownCounts()
        encode_table(aligned_table(pairs, [[]] * len(pairs)), tokenizer, EncodeSection(), unknown=found)
        return found

    def test_by_language(self, wordpiece: Any) -> None:
        found = self.counts(wordpiece, [("the cat sat", "the ☃ cat"), ("the dog", "☃☃☃ dog")])
        assert found.counts["en"][1] == 0
        tokens, unknown, characters, lost = found.counts["xx"]
        assert (unknown, lost) == (2, 4)
        assert tokens > unknown
        assert characters == len("the☃cat☃☃☃dog")
        assert found.shares() == {"en": 0.0, "xx": unknown / tokens}

    def test_a_warning_by_the_text_that_is_lost(self, wordpiece: Any) -> None:
        """One unknown token among hundreds may stand for most of a text."""
        found = self.counts(wordpiece, [("the cat", "☃" * 99 + " " + "cat " * 200)])
        assert found.shares()["xx"] < 0.01
        (warning,) = found.warnings()
        assert "0.5% of the tokens in 'xx' are unknown to the tokenizer, which stand for 14.2% of its text" in warning
        assert found.lines() == ["unknown tokens: en 0.00%, xx 0.50%", f"warning: {warning}"]

    def test_none_to_speak_of(self, wordpiece: Any) -> None:
        found = self.counts(wordpiece, [("the cat", "cat " * 300 + "☃")])
        assert found.warnings() == []
        assert len(found.lines()) == 1

    @given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1))
    def test_sums_do_not_depend_on_the_order(self, rows: list[list[int]]) -> None:
        forward, backward = UnknownCounts(), UnknownCounts()
        for row in rows:
            forward.merge({"en": row})
        for row in reversed(rows):
            backward.merge({"en": row})
        assert forward == backward
        assert forward.counts["en"] == [sum(column) for column in zip(*rows, strict=True)]
