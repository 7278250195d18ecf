"""Words to subwords: which word a subword belongs to, and links between subwords."""

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import TEXTS
from tests.support.tables import Link, Span, aligned_table, expected_projection, flat, unflat
from weam_ray.corpus.tables import ENCODED, MAX_LINKED_TOKENS
from weam_ray.corpus.words import word_spans
from weam_ray.encode.projection import project
from weam_ray.encode.stage import NO_TOKENS, TOO_MANY_TOKENS, encode_table
from weam_ray.settings.data import EncodeSection

BOTH = pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece"])

HARD_TEXTS = [
    *TEXTS,
    "今天 天气很好，下雨吗？",
    "दुनिया में हिन्दी, क्षत्रिय!",
    "هل العَرَبِيَّة لغةٌ جميلة؟",
    "l’homme n'a  pas   vu",
    "rock'n'roll isn't 'quoted'",
    "cafe\u0301 ﬁne ½ … a\u00adb",
    "👩‍👩‍👧‍👦 ok 👍🏽",
    " leading and trailing ",
    "a\x00b \ufffd c",
]
PAIRS = [(HARD_TEXTS[k], HARD_TEXTS[-1 - k]) for k in range(len(HARD_TEXTS))]

Side = tuple[list[Span], list[Span]]  # tokens, words


@pytest.fixture(scope="module")
def characters() -> Any:
    """A tokenizer of which every letter is a token."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


def one_to_one_links(rows: int, columns: int) -> st.SearchStrategy[list[Link]]:
    size = min(rows, columns)
    sides = st.permutations(range(rows)), st.permutations(range(columns)), st.integers(0, size)
    return st.tuples(*sides).map(lambda draw: sorted(zip(draw[0][: draw[2]], draw[1][: draw[2]], strict=True)))


@st.composite
def side(draw: st.DrawFn) -> Side:
    """Words in order with gaps, and tokens whose starts never fall, as tokenizers give them."""
    cuts = sorted(draw(st.sets(st.integers(0, 14), max_size=10)))
    words = [(a, b) for a, b in itertools.pairwise(cuts) if draw(st.booleans())]
    starts = sorted(draw(st.lists(st.integers(0, 13), max_size=10)))
    return [(start, start + draw(st.integers(1, 5))) for start in starts], words


@st.composite
def example(draw: st.DrawFn) -> tuple[Side, Side, list[Link]]:
    left, right = draw(side()), draw(side())
    return left, right, draw(one_to_one_links(len(left[1]), len(right[1])))


def run(
    examples: list[tuple[Side, Side, list[Link]]], only_first: bool
) -> list[tuple[list[int], list[int], list[Link]]]:
    """The kernel over all examples at once, cut into one result each."""

    def pack(sides: list[list[Span]]) -> tuple[np.ndarray, np.ndarray]:
        values = np.array([value for spans in sides for value in flat(spans)], np.int32)
        return values, np.cumsum([0, *(len(spans) for spans in sides)]).astype(np.int64)

    left_tokens, left_offsets = pack([left[0] for left, _, _ in examples])
    right_tokens, right_offsets = pack([right[0] for _, right, _ in examples])
    links, link_offsets = pack([links for _, _, links in examples])
    source_words, target_words, token_links, token_link_offsets = project(
        left_tokens, left_offsets, *pack([left[1] for left, _, _ in examples]),
        right_tokens, right_offsets, *pack([right[1] for _, right, _ in examples]),
        links.astype(np.int16).reshape(-1, 2), link_offsets, only_first,
    )  # fmt: skip
    results = []
    for s in range(len(examples)):
        rows = token_links[token_link_offsets[s] : token_link_offsets[s + 1]]
        results.append(
            (
                source_words[left_offsets[s] : left_offsets[s + 1]].tolist(),
                target_words[right_offsets[s] : right_offsets[s + 1]].tolist(),
                [(int(i), int(j)) for i, j in rows],
            )
        )
    return results


class TestProject:
    @settings(deadline=None)
    @given(st.lists(example(), max_size=4), st.booleans())
    def test_against_a_slow_one(self, examples: list[tuple[Side, Side, list[Link]]], only_first: bool) -> None:
        expected = [
            expected_projection((left[0], right[0]), (left[1], right[1]), links, only_first)
            for left, right, links in examples
        ]
        assert run(examples, only_first) == expected

    @settings(deadline=None)
    @given(example(), st.booleans())
    def test_links_are_one_to_one(self, example: tuple[Side, Side, list[Link]], only_first: bool) -> None:
        ((_, _, links),) = run([example], only_first)
        for side in range(2):
            tokens = [link[side] for link in links]
            assert len(set(tokens)) == len(tokens)

    def test_kth_to_kth_and_surplus(self) -> None:
        """A word of three tokens beside one of two: the third token stays alone."""
        left = ([(0, 2), (2, 3), (3, 5)], [(0, 5)])
        right = ([(0, 1), (1, 4)], [(0, 4)])
        assert run([(left, right, [(0, 0)])], False) == [([0, 0, 0], [0, 0], [(0, 0), (1, 1)])]
        assert run([(left, right, [(0, 0)])], True) == [([0, 0, 0], [0, 0], [(0, 0)])]

    def test_crossing_words(self) -> None:
        left = ([(0, 1), (1, 2), (3, 4)], [(0, 2), (3, 4)])
        right = ([(0, 1), (2, 3), (3, 4)], [(0, 1), (2, 4)])
        assert run([(left, right, [(0, 1), (1, 0)])], False) == [([0, 0, 1], [0, 1, 1], [(0, 1), (1, 2), (2, 0)])]

    def test_token_of_several_words_goes_to_the_first_linked_one(self) -> None:
        """The token covers words 0, 1, 2: it belongs to word 0 but carries the link of word 1, and not that of 2."""
        left = ([(0, 3)], [(0, 1), (1, 2), (2, 3)])
        right = ([(0, 1), (1, 2)], [(0, 1), (1, 2)])
        assert run([(left, right, [(1, 1), (2, 0)])], False) == [([0], [0, 1], [(0, 1)])]
        assert run([(left, right, [(2, 0)])], False) == [([0], [0, 1], [(0, 0)])]
        assert run([(left, right, [])], False) == [([0], [0, 1], [])]

    def test_tokens_of_no_word(self) -> None:
        """A token of white space alone lies between the words."""
        left = ([(0, 1), (1, 2), (2, 3)], [(0, 1), (2, 3)])
        assert run([(left, left, [(0, 0), (1, 1)])], False) == [([0, -1, 1], [0, -1, 1], [(0, 0), (2, 2)])]

    def test_several_tokens_of_one_character(self) -> None:
        """Pieces of bytes, or a piece of the space before a word, repeat a span or step back in it."""
        left = ([(0, 1), (0, 2), (1, 2), (1, 2)], [(0, 1), (1, 2)])
        ((words, _, links),) = run([(left, left, [(0, 0), (1, 1)])], False)
        assert words == [0, 0, 1, 1]
        assert links == [(0, 0), (1, 1), (2, 2), (3, 3)]


def all_links(pairs: list[tuple[str, str]]) -> list[list[Link]]:
    """Word k to the k-th word from the end, as far as both go."""
    found = []
    for source, target in pairs:
        rows, columns = len(word_spans(source)), len(word_spans(target))
        found.append([(k, columns - 1 - k) for k in range(min(rows, columns))])
    return found


def columns(table: pa.Table, name: str) -> list[Any]:
    return table[name].to_pylist()


class TestEncodeTable:
    @BOTH
    @pytest.mark.parametrize("mapping", ["parallel", "first"])
    def test_rows(self, request: pytest.FixtureRequest, kind: str, mapping: str) -> None:
        """Ids exactly as the tokenizer gives them on raw text; words and links as worked out slowly."""
        tokenizer = request.getfixturevalue(kind)
        links = all_links(PAIRS)
        encoded = encode_table(aligned_table(PAIRS, links), tokenizer, EncodeSection(subword_mapping=mapping))
        assert encoded.schema == ENCODED
        assert columns(encoded, "pair_id") == [f"0:{k}" for k in range(len(PAIRS))]
        num_links = 0
        for row, pair, pair_links in zip(encoded.to_pylist(), PAIRS, links, strict=True):
            found = [tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in pair]
            spans = tuple([tuple(span) for span in side["offset_mapping"]] for side in found)
            tokens = [tokenizer.convert_ids_to_tokens(side["input_ids"]) for side in found]
            spans = tuple(  # a lone metaspace is no part of the word behind it
                [(start, start if token == "▁" else end) for token, (start, end) in zip(*side, strict=True)]
                for side in zip(tokens, spans, strict=True)
            )
            assert row["source_ids"] == tokenizer(pair[0], add_special_tokens=False)["input_ids"]
            assert row["target_ids"] == tokenizer(pair[1], add_special_tokens=False)["input_ids"]
            words = word_spans(pair[0]), word_spans(pair[1])
            expected = expected_projection(spans, words, pair_links, only_first=mapping == "first")
            token_links = unflat(row["token_links"])
            assert (row["source_word_ids"], row["target_word_ids"], token_links) == expected
            assert row["num_tokens"] == len(row["source_ids"]) + len(row["target_ids"])
            num_links += len(token_links)
        assert num_links > 60

    @BOTH
    def test_a_slice_of_a_table(self, request: pytest.FixtureRequest, kind: str) -> None:
        """A table whose arrays begin in the middle of their buffers gives the same rows."""
        tokenizer = request.getfixturevalue(kind)
        table = aligned_table(PAIRS, all_links(PAIRS), posteriors=[[(0.5, 0.5)] * len(k) for k in all_links(PAIRS)])
        for method in ("intersect", "grow-diag"):
            section = EncodeSection(symmetrization=method)
            whole = encode_table(table, tokenizer, section).to_pylist()
            assert encode_table(table.slice(4, 6), tokenizer, section).to_pylist() == whole[4:10]
            chunks = pa.concat_tables([table.slice(0, 4), table.slice(4)])
            assert encode_table(chunks, tokenizer, section).to_pylist() == whole

    def test_a_side_without_tokens_is_left_out(self, wordpiece: Any) -> None:
        """U+FFFD is a word to the aligner; BERT's normalizer removes it."""
        pairs = [("the cat", "das Haus"), ("\ufffd", "das"), ("the", "\ufffd"), ("the dog", "der Hund")]
        encoded = encode_table(aligned_table(pairs, [[(0, 0)]] * 4), wordpiece, EncodeSection())
        assert columns(encoded, "pair_id") == ["0:0", "0:3"]
        assert [len(links) for links in columns(encoded, "token_links")] == [2, 2]

    @pytest.mark.parametrize("mapping", ["parallel", "first"])
    def test_more_tokens_than_links_have_numbers_for(self, characters: Any, mapping: str) -> None:
        """A side of 32,768 tokens has its last link; with more of them a pair is rejected, unpaired text is not."""
        longest = "a" * (MAX_LINKED_TOKENS - 1)
        pairs = [(f"{longest} b", "a b"), (f"{longest}a b", "a b"), ("b a", f"{longest} b"), ("b", "a" * 40_000)]
        table = aligned_table([*pairs, ("a b", "a b")], [[(1, 1)], [(1, 1)], [(0, 1)], [(0, 0)], [(0, 0)]])
        rejected: Counter[str] = Counter()
        encoded = encode_table(table, characters, EncodeSection.model_validate({"subword_mapping": mapping}), rejected)
        assert columns(encoded, "pair_id") == ["0:0", "0:2", "0:4"]
        assert columns(encoded, "token_links") == [[MAX_LINKED_TOKENS - 1, 1], [0, MAX_LINKED_TOKENS - 1], [0, 0]]
        assert rejected == {TOO_MANY_TOKENS: 2, NO_TOKENS: 0}
        alone = encode_table(table.slice(3, 1), characters, EncodeSection(), rejected)
        assert (alone.num_rows, rejected[TOO_MANY_TOKENS]) == (0, 3)
        unpaired = aligned_table([("a" * 40_000, "")], [[]])
        unpaired = unpaired.set_column(2, "target_lang", pa.array([""]))
        (row,) = encode_table(unpaired, characters, EncodeSection(), rejected).to_pylist()
        assert row["source_word_ids"] == [0] * 40_000

    def test_a_piece_of_two_characters(self) -> None:
        """`天气` is one piece and two words: it belongs to 天; where only 气 is linked, it carries that link."""
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        pieces = [("<unk>", 0.0), ("▁", -3.0), ("天气", -1.0), ("天", -9.0), ("气", -9.0), ("▁weather", -1.0)]
        backend = Tokenizer(models.Unigram(pieces, unk_id=0))
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
        table = aligned_table([("天气", " weather")] * 3, [[(1, 0)], [(0, 0)], []])
        encoded = encode_table(table, tokenizer, EncodeSection())
        assert columns(encoded, "source_ids") == [[2]] * 3
        assert columns(encoded, "source_word_ids") == [[0]] * 3
        assert columns(encoded, "token_links") == [[0, 0], [0, 0], []]


class TestSymmetrization:
    PAIR = ("the old house", "das alte Haus")
    FORWARD = ((0, 0), (0, 1), (2, 2))
    REVERSE = ((0, 0), (1, 1), (2, 2))

    def word_links(self, encoded: pa.Table) -> list[Link]:
        row = encoded.to_pylist()[0]
        found = {(row["source_word_ids"][i], row["target_word_ids"][j]) for i, j in unflat(row["token_links"])}
        return sorted(found)

    def test_intersection(self, wordpiece: Any) -> None:
        table = aligned_table([self.PAIR], [self.FORWARD], [self.REVERSE])
        assert self.word_links(encode_table(table, wordpiece, EncodeSection())) == [(0, 0), (2, 2)]

    @pytest.mark.parametrize(
        ("likeliest", "expected"), [((0, 1), [(0, 1), (2, 2)]), ((1, 1), [(0, 0), (1, 1), (2, 2)])], ids=str
    )
    def test_union_by_posteriors(self, wordpiece: Any, likeliest: Link, expected: list[Link]) -> None:
        union = sorted({*self.FORWARD, *self.REVERSE})
        posteriors = [[(0.9, 0.9) if link == likeliest else (0.5, 0.5) for link in union]]
        table = aligned_table([self.PAIR], [self.FORWARD], [self.REVERSE], posteriors)
        assert self.word_links(encode_table(table, wordpiece, EncodeSection(symmetrization="union"))) == expected

    def test_union_without_posteriors(self, wordpiece: Any) -> None:
        """Links from elsewhere have none: the order of the links decides."""
        table = aligned_table([self.PAIR], [self.FORWARD], [self.REVERSE])
        encoded = encode_table(table, wordpiece, EncodeSection(symmetrization="union"))
        assert self.word_links(encoded) == [(0, 0), (1, 1), (2, 2)]
