"""Alignment of an encoder's states, measured on held-out pairs: against slow plain versions, and by construction."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from tests.conftest import TEXTS
from tests.measure.test_states import LONG, SCRATCH, alone, words_of
from tests.support.tables import aligned_table, covered_words
from weam_ray.align.links import Links
from weam_ray.corpus.parts import held_out_parts
from weam_ray.corpus.tables import ENCODED
from weam_ray.corpus.words import word_spans
from weam_ray.errors import UserError
from weam_ray.evaluate.origin import held_out_of
from weam_ray.measure import by_layer
from weam_ray.measure.by_layer import Measures, left_out, measure, sentence_retrieval, word_cosines, words
from weam_ray.measure.held_out import HeldOut
from weam_ray.measure.pairs import HeldOutPairs, held_out_pairs
from weam_ray.measure.states import WordTexts
from weam_ray.model.encoder import build_encoder
from weam_ray.model.tokenizer import train_wordpiece
from weam_ray.pipeline import AlignmentPlan
from weam_ray.settings.config import Config
from weam_ray.settings.data import TokenizerSection
from weam_ray.store.folder import Folder
from weam_ray.store.home import Home
from weam_ray.store.stages import Attempt, Counts, Stage, StageFile, StageOutput, StageSpec, StageStore

PAIRS = [
    ("the cat sat on the mat", "das alte Haus steht am Fluss"),
    ("Is it raining today", "old house dog ran"),
    ("the dog ran to the old house", "der Hund maison Fluss today"),
    ("it is the mat", "am Fluss das mat"),
]
LINKS = [[(0, 0), (1, 2), (2, 1), (5, 5)], [(0, 3), (2, 1)], [(1, 1), (6, 0), (2, 4)], [(0, 1), (3, 3)]]
Vectors = NDArray[np.float64]


@pytest.fixture(scope="module")
def model(wordpiece: Any) -> Any:
    return build_encoder(SCRATCH, wordpiece, seed=1).eval()


@pytest.fixture(scope="module")
def pair() -> HeldOutPairs:
    return HeldOutPairs.of(aligned_table(PAIRS, LINKS))


def texts_of(tokenizer: Any, pair: HeldOutPairs) -> tuple[WordTexts, WordTexts]:
    source, target = (
        WordTexts.of(tokenizer, *given) for given in zip(pair.texts, pair.spans, pair.word_offsets, strict=True)
    )
    return source, target


def cosines(left: Vectors, right: Vectors) -> Vectors:
    return np.array([[a @ b / np.sqrt(a @ a) / np.sqrt(b @ b) for b in right] for a in left])


def sentence_vectors(model: Any, tokenizer: Any, texts: Sequence[str], layer: int) -> Vectors:
    return np.stack([alone(model, tokenizer, text)[layer].double().mean(0).numpy() for text in texts])


def word_vector(model: Any, tokenizer: Any, text: str, word: int, layer: int) -> Vectors:
    """The mean of a word's subwords, encoded by the tokenizer's own means."""
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    members = [t for t, span in enumerate(spans) if covered_words(span, word_spans(text))[:1] == [word]]
    return alone(model, tokenizer, text)[layer, members].double().mean(0).numpy()


class TestPairs:
    def test_links_are_those_of_both_directions(self) -> None:
        """Words, texts and links of rows; a link of one direction alone is none."""
        forward = [[(0, 0), (1, 0)], [], [(1, 1)]]
        reverse = [[(0, 0), (0, 1)], [(0, 0)], [(1, 1), (0, 0)]]
        pair = HeldOutPairs.of(aligned_table([("a b", "x y"), ("c", "z"), ("d e", "u v")], forward, reverse))
        assert [pair.links.of(number) for number in range(3)] == [[(0, 0)], [], [(1, 1)]]
        assert pair.texts == (["a b", "c", "d e"], ["x y", "z", "u v"])
        assert [offsets.tolist() for offsets in pair.word_offsets] == [[0, 2, 3, 5]] * 2
        assert pair.spans[0].tolist() == [0, 1, 2, 3, 0, 1, 0, 1, 2, 3]
        assert pair.languages == ("en", "xx")

    @pytest.mark.parametrize(
        ("languages", "name"), [(("en", "de"), "de"), (("de", "en"), "de"), (("fr", "de"), "fr-de")]
    )
    def test_names(self, pair: HeldOutPairs, languages: tuple[str, str], name: str) -> None:
        assert HeldOutPairs(languages, pair.texts, pair.spans, pair.word_offsets, pair.links).name == name

    def test_fingerprint_is_of_texts_links_and_languages(self, pair: HeldOutPairs) -> None:
        same = HeldOutPairs.of(aligned_table(PAIRS, LINKS))
        others = [
            HeldOutPairs.of(aligned_table(PAIRS, [*LINKS[:3], [(0, 1)]])),
            HeldOutPairs.of(aligned_table([*PAIRS[:3], ("it is the dog", PAIRS[3][1])], LINKS)),
            HeldOutPairs(("en", "de"), pair.texts, pair.spans, pair.word_offsets, pair.links),
        ]
        assert same.fingerprint == pair.fingerprint
        assert len({pair.fingerprint, *(other.fingerprint for other in others)}) == 4


class TestStages:
    """Held-out files of two language pairs, one of them in two files, unpaired text, an empty file, training rows."""

    def table(self, languages: tuple[str, str], pairs: Sequence[tuple[str, str]], source: int = 9) -> pa.Table:
        table = aligned_table(pairs, [[(0, 0)]] * len(pairs))
        names = pa.array([f"{source}:{number}" for number in range(len(pairs))], pa.string())
        table = table.set_column(table.schema.get_field_index("pair_id"), "pair_id", names)
        for name, language in zip(("source_lang", "target_lang"), languages, strict=True):
            column = table.schema.get_field_index(name)
            table = table.set_column(column, name, pa.array([language] * len(pairs), pa.string()))
        return table

    def build(self, attempt: Attempt) -> StageOutput:
        tables = {
            "en-de.0": self.table(("en", "de"), PAIRS[:2], 0),
            "fr-de.0": self.table(("fr", "de"), PAIRS[2:3], 2),
            "en-de.1": self.table(("en", "de"), PAIRS[3:], 3),
            "en-de.2": self.table(("en", "de"), []),
            "tl.0": self.table(("tl", ""), [("dog", "")]),
        }
        files: list[StageFile] = [
            attempt.write_parquet("held_out", label, table, language_pair=label.split(".")[0])
            for label, table in tables.items()
        ]
        files.append(attempt.write_parquet("train", "en-de.0", tables["fr-de.0"], language_pair="en-de"))
        return StageOutput(files, Counts(6, 6))

    def check(self, found: list[HeldOutPairs], part: str, parts: dict[str, str]) -> None:
        """The pairs of a part, by their `pair_id`s."""
        rows = {("en", "de"): {"0:0": 0, "0:1": 1, "3:0": 3}, ("fr", "de"): {"2:0": 2}}
        expected = {
            languages: [PAIRS[number] for name, number in own.items() if parts[name] == part]
            for languages, own in rows.items()
        }
        assert {pair.languages: list(zip(*pair.texts, strict=True)) for pair in found} == {
            languages: pairs for languages, pairs in expected.items() if pairs
        }

    @pytest.mark.parametrize("seed", range(6))
    def test_by_language_pair(self, tmp_path: Path, seed: int) -> None:
        stage = StageStore(Folder.at(tmp_path)).build(StageSpec("align", 1, {}, {}), self.build)
        parts = held_out_parts(stage, seed)
        assert sorted(parts) == ["0:0", "0:1", "2:0", "3:0", "9:0"]
        for part in ("dev", "test"):
            found = held_out_pairs(stage, seed, part)
            self.check(found, part, parts)
            assert {pair.name for pair in found} <= {"de", "fr-de"}
            assert "de" in {pair.name for pair in found}

    def test_of_a_run_folder(self, tmp_path: Path, tiny_config: Config) -> None:
        """By the configuration in it; after the stage is gone it says so."""
        run = tmp_path / "home" / "runs" / "first"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(tiny_config.to_yaml(), encoding="utf-8")
        home = Home.of(tiny_config, tmp_path)
        stage = home.store.build(AlignmentPlan.of(tiny_config, home.source_hashes()).align.spec, self.build)
        self.check(held_out_of(run), "test", held_out_parts(stage, tiny_config.corpus.held_out_seed))
        Path(stage.folder.file("manifest.json")).unlink()
        with pytest.raises(UserError, match=r"held_out=.*first: the aligned pairs of this run are not under .*stages"):
            held_out_of(run)


def encoded(attempt: Attempt) -> StageOutput:
    """Held-out rows of pairs in two files, and of unpaired text, with an empty file between them."""

    def table(languages: tuple[str, str], rows: Sequence[tuple[list[int], list[int]]]) -> pa.Table:
        own = {"pair_id": "0:0", "source_lang": languages[0], "target_lang": languages[1], "num_tokens": 0}
        return pa.Table.from_pylist(
            [
                own
                | {"source_ids": source, "target_ids": target, "token_links": [0, 0] if target else []}
                | {"source_word_ids": [0] * len(source), "target_word_ids": [0] * len(target)}
                for source, target in rows
            ],
            schema=ENCODED,
        )

    tables = [
        table(("en", "de"), [([5, 6], [7]), ([8], [9])]),
        table(("en", "de"), []),
        table(("tl", ""), [([11, 12], [])]),
        table(("en", "de"), [([5, 6], [10])]),
    ]
    files = [attempt.write_arrow("held_out", str(number), each) for number, each in enumerate(tables)]
    return StageOutput(files, Counts(4, 4))


def test_held_out_rows_of_an_encoded_stage(tmp_path: Path) -> None:
    stage: Stage = StageStore(Folder.at(tmp_path)).build(StageSpec("encode", 1, {}, {}), encoded)
    found = HeldOut.read(stage)
    pairs = {languages: [row.source_ids.tolist() for row in rows] for languages, rows in found.rows.items()}
    assert pairs == {("en", "de"): [[5, 6], [8], [5, 6]], ("tl", ""): [[11, 12]]}
    assert [row.target_ids.tolist() for row in found.rows["en", "de"]] == [[7], [9], [10]]
    assert list(found.pairs) == [("en", "de")]
    sentences = {language: [row.source_ids.tolist() for row in rows] for language, rows in found.sentences().items()}
    assert sentences == {"de": [[7], [9], [10]], "en": [[5, 6], [8]], "tl": [[11, 12]]}


class TestSentenceRetrieval:
    def test_as_one_by_one(self, model: Any, wordpiece: Any, pair: HeldOutPairs) -> None:
        figures, parts = sentence_retrieval(model, wordpiece, texts_of(wordpiece, pair), 1, 128)
        assert len(figures) == 3
        for layer, own in enumerate(figures):
            source, target = (sentence_vectors(model, wordpiece, side, layer) for side in pair.texts)
            expected = {}
            for name, similarity in {
                "centred": cosines(source - source.mean(0), target - target.mean(0)),
                "as_is": cosines(source, target),
            }.items():
                rows = np.arange(len(PAIRS))
                expected[f"{name}_forward"] = 100 * (similarity.argmax(1) == rows).mean()
                expected[f"{name}_backward"] = 100 * (similarity.argmax(0) == rows).mean()
            assert own == pytest.approx(expected)
        assert parts.percent == pytest.approx((figures[1]["centred_forward"] + figures[1]["centred_backward"]) / 2)
        assert parts.numerator.shape == parts.denominator.shape == (len(PAIRS),)

    def test_texts_and_themselves(self, model: Any, wordpiece: Any, pair: HeldOutPairs) -> None:
        """Each finds itself at all layers; in another order, none does."""
        texts = words_of(wordpiece, pair.texts[0])
        figures, parts = sentence_retrieval(model, wordpiece, (texts, texts), 2, 128)
        assert all(set(own.values()) == {100.0} for own in figures)
        assert parts.numerator.tolist() == [1.0] * 4
        turned = words_of(wordpiece, [*pair.texts[0][1:], pair.texts[0][0]])
        figures, parts = sentence_retrieval(model, wordpiece, (texts, turned), 2, 128)
        assert all(set(own.values()) == {0.0} for own in figures)
        assert parts.percent == 0


class TestWords:
    def test_as_one_by_one(self, model: Any, wordpiece: Any, pair: HeldOutPairs) -> None:
        """By all similarities at once; the link between two words `mat` is no query."""
        texts = texts_of(wordpiece, pair)
        figures, parts, counts = words(model, wordpiece, texts, pair.links, 2, 128)
        places = [(number, *link) for number in range(len(PAIRS)) for link in pair.links.of(number)]
        asked = [PAIRS[number][0].split()[i] != PAIRS[number][1].split()[j] for number, i, j in places]
        assert counts == {"links": 11, "links_without_state": 0, "links_of_identical_words": asked.count(False)}
        assert asked.count(False) == 1
        rows = np.flatnonzero(asked)
        for layer, own in enumerate(figures):
            source, target = (
                np.stack([word_vector(model, wordpiece, PAIRS[p[0]][side], p[1 + side], layer) for p in places])
                for side in (0, 1)
            )
            plain = cosines(source, target)
            hubs = [-np.sort(-each, axis=1)[:, :10].mean(1) for each in (plain, plain.T)]
            for name, similarity in {
                "centred": cosines(source - source.mean(0), target - target.mean(0)),
                "as_is": plain,
                "csls": 2 * plain - hubs[0][:, None] - hubs[1][None],
            }.items():
                forward, backward = similarity.argmax(1)[rows] == rows, similarity.argmax(0)[rows] == rows
                assert own[f"{name}_forward"] == pytest.approx(100 * forward.mean())
                assert own[f"{name}_backward"] == pytest.approx(100 * backward.mean())
                if name == "centred" and layer == 2:
                    np.testing.assert_array_equal(parts.numerator, (forward.astype(float) + backward) / 2)
            assert own["linked"] == pytest.approx(np.diag(plain).mean(), abs=1e-5)
        assert {"margin", "source_anisotropy", "target_partition_isotropy_unit"} <= figures[0].keys()

    def test_of_a_text_and_itself_every_word_is_found(self) -> None:
        """Capitals make other words of them, which a tokenizer that lowers letters does not see."""
        tokenizer = train_wordpiece(TEXTS * 3, TokenizerSection(vocab_size=400, lowercase=True), max_length=128)
        source, target = words_of(tokenizer, ["the dog ran"]), words_of(tokenizer, ["The Dog Ran"])
        np.testing.assert_array_equal(source.ids, target.ids)
        links = Links(np.array([[0, 0], [1, 1], [2, 2]], np.int16), np.array([0, 3]))
        encoder = build_encoder(SCRATCH, tokenizer, seed=1)
        figures, parts, counts = words(encoder, tokenizer, (source, target), links, 0, 128)
        assert all(own["as_is_forward"] == own["as_is_backward"] == 100 for own in figures)
        assert parts.percent == figures[0]["centred_forward"] == 100
        assert counts == {"links": 3, "links_without_state": 0, "links_of_identical_words": 0}

    def test_words_that_are_cut_off_are_counted(self, model: Any, wordpiece: Any) -> None:
        """With room for one token of each sentence, its first word is left."""
        texts = words_of(wordpiece, ["the dog", "dog ran"]), words_of(wordpiece, ["dog the", "the cat"])
        links = Links(np.array([[0, 0], [1, 1], [0, 0]], np.int16), np.array([0, 2, 3]))
        _, parts, counts = words(model, wordpiece, texts, links, 1, max_length=3)
        assert counts == {"links": 3, "links_without_state": 1, "links_of_identical_words": 0}
        assert parts.numerator.shape == (2,)


class TestCosines:
    def test_the_first_pair_that_can_be_drawn(self, model: Any, wordpiece: Any) -> None:
        """Not one of a single word, nor one of more words than are drawn; its cosines, a row a source word."""
        long = "the cat sat on the mat and the dog ran to the old house"
        pairs = [(f"{long} today", "der Hund"), ("dog", "der Hund"), ("the old house", "das alte Haus steht"), *PAIRS]
        pair = HeldOutPairs.of(aligned_table(pairs, [[]] * len(pairs)))
        for layer in (0, 2):
            source, target, found = word_cosines(model, wordpiece, pair, layer, 128)
            assert (source, target) == (["the", "old", "house"], ["das", "alte", "Haus", "steht"])
            sides = [
                np.stack([word_vector(model, wordpiece, text, word, layer) for word in range(len(text.split()))])
                for text in pairs[2]
            ]
            np.testing.assert_allclose(found, cosines(*sides), atol=1e-5)

    def test_none_is_short_enough(self, model: Any, wordpiece: Any) -> None:
        """The first is drawn; a word that truncation cuts has no cosine but 0."""
        pair = HeldOutPairs.of(aligned_table([(f"{LONG} {LONG}", "dog"), ("dog", "dog")], [[], []]))
        source, target, found = word_cosines(model, wordpiece, pair, 1, max_length=8)
        assert (len(source), target) == (16, ["dog"])
        assert found[0, 0] != 0
        assert not found[-1].any()


class TestMeasure:
    @pytest.fixture(scope="class")
    def found(self, model: Any, wordpiece: Any, pair: HeldOutPairs) -> Measures:
        return measure(model, wordpiece, [pair], [], None)

    def test_all_tasks_by_language(self, found: Measures, model: Any, wordpiece: Any, pair: HeldOutPairs) -> None:
        texts = texts_of(wordpiece, pair)
        sentences, _ = sentence_retrieval(model, wordpiece, texts, 2, 128)
        links, parts, counts = words(model, wordpiece, texts, pair.links, 2, 128)
        assert found.layer == 2
        assert found.layers == {by_layer.SENTENCES: {"xx": sentences}, by_layer.WORDS: {"xx": links}}
        np.testing.assert_array_equal(found.parts[by_layer.WORDS]["xx"].numerator, parts.numerator)
        assert found.counts == {by_layer.WORDS: {"xx": counts}}
        source, target, cosines = found.cosines["xx"]
        assert (" ".join(source), " ".join(target)) == PAIRS[0]
        assert cosines.shape == (6, 6)

    def test_languages_are_joined(self, found: Measures) -> None:
        other = Measures(
            2, {by_layer.WORDS: {"de": [{}]}}, {by_layer.WORDS: {"de": found.parts[by_layer.WORDS]["xx"]}}, {}, {}
        )
        joined = Measures.joined([found, other])
        assert {task: list(own) for task, own in joined.layers.items()} == {
            by_layer.SENTENCES: ["xx"],
            by_layer.WORDS: ["xx", "de"],
        }
        assert list(joined.parts[by_layer.WORDS]) == ["xx", "de"]
        assert joined.counts == found.counts
        assert list(joined.cosines) == ["xx"]
        assert list(found.layers[by_layer.WORDS]) == ["xx"]

    def test_what_is_left_out_is_told(self, found: Measures) -> None:
        whole = {"links": 5, "links_without_state": 0, "links_of_identical_words": 0}
        assert left_out(by_layer.WORDS, {**found.counts[by_layer.WORDS], "de": whole}) == [
            "xx: of 11 links, 0 are left out, because a word was cut off or has no subword, and 1 are no queries, "
            "because both words are the same text."
        ]
        cut = {"source_words": 5_000, "target_words": 9, "source_words_cut": 1_200, "target_words_cut": 0}
        assert left_out(by_layer.GOLD, {"enfr": cut, "deen": cut | {"source_words_cut": 0}}) == [
            "enfr: 1,200 of 5,000 source words and 0 of 9 target words lost subwords, because their sentences are too "
            "long for the encoder."
        ]
        assert left_out(by_layer.SENTENCES, {}) == []
