"""The stages `aligner` and `align` on Ray."""

from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.main_job import tiny_overrides, write_moses
from tests.support.tables import unflat
from tests.support.texts import Pairs, assert_same_alignments, fit, stored_bytes
from tests.support.texts import align as align_pairs
from weam_ray.align.fast_align.aligner import FastAlignDecoder
from weam_ray.align.links import Alignments, Links
from weam_ray.align.stage import CELLS_AT_ONCE, align_file, runs
from weam_ray.align.table import table as aligners
from weam_ray.corpus.tables import ALIGNED, PAIRS
from weam_ray.corpus.words import segment, word_spans
from weam_ray.pipeline import AlignmentPlan
from weam_ray.settings.config import Config, load_config
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Committed, Stage, StageStore

PARTS = ("train", "held_out")


class Built(NamedTuple):
    config: Config
    corpus: Stage
    aligner: Stage
    align: Stage


Build = Callable[..., Built]


@pytest.fixture(scope="module")
def build(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("align")
    files = write_moses(folder)

    def build(*overrides: str, home: str = "home") -> Built:
        config = load_config("bundled", [*tiny_overrides(folder / home, files), *overrides])
        plan = AlignmentPlan.of(config, SourceHashes(folder / home / "hashes.json"))
        committed = Committed(StageStore(Folder.at(folder / home / "stages")), config.cluster.data_cpus)
        return Built(config, *map(committed.build, plan.stages))

    return build


@pytest.fixture(scope="module")
def data(build: Build) -> Built:
    return build()


@pytest.fixture(scope="module")
def plain(build: Build) -> Built:
    """With words that tests can make by themselves: those between spaces, as they are."""
    return build("corpus.segmentation=whitespace", "align.lowercase=false")


def pairs_of(stage: Stage, part: str) -> Pairs:
    rows = [row for file in stage.files(part) for row in stage.read_parquet(file).to_pylist()]
    return [(row["source"].split(), row["target"].split()) for row in rows]


def alignments_of(stage: Stage, part: str) -> Alignments:
    table = pa.concat_tables([stage.read_parquet(file) for file in stage.files(part)]).combine_chunks()
    posteriors = table["union_posteriors"].combine_chunks()
    return Alignments(
        Links.from_arrow(table["forward_links"]),
        Links.from_arrow(table["reverse_links"]),
        posteriors.flatten().to_numpy().reshape(-1, 2),
        posteriors.offsets.to_numpy().astype(np.int64) // 2,
        table["forward_score"].to_numpy(),
        table["reverse_score"].to_numpy(),
    )


@pytest.mark.ray
class TestAligner:
    def test_one_model_for_a_language_pair(self, data: Built) -> None:
        files = data.aligner.files("model")
        assert {file.info["language_pair"] for file in files} == {"en-xx"}
        assert [file.label for file in files][:2] == ["en-xx.words", "en-xx.00000"]
        info = data.aligner.info["en-xx"]
        assert [entry["direction"] for entry in info["iterations"]] == ["forward", "reverse"] * 4
        assert len(info["tension"]) == 2
        assert info["num_pairs"] == sum(file.info.get("num_pairs", 0) for file in files) > 0

    def test_fitted_on_the_training_part_alone(self, plain: Built) -> None:
        """The model is that of the training rows, and not that of all rows."""
        decoder = aligners()["fast_align"].decoder(plain.config.align, plain.aligner, "en-xx")
        assert isinstance(decoder, FastAlignDecoder)
        stored = stored_bytes(decoder.stored.load().lexicon)
        train, held_out = (pairs_of(plain.corpus, part) for part in PARTS)
        assert (len(train), len(held_out)) == (96, 24)
        assert stored == stored_bytes(fit(train).lexicon)
        assert stored != stored_bytes(fit(train + held_out).lexicon)

    def test_counts(self, data: Built) -> None:
        rows = sum(file.rows for file in data.corpus.files("train"))
        assert (data.aligner.counts.rows_in, data.aligner.counts.rows_out) == (rows, rows)
        assert data.aligner.counts.rejected == {}


@pytest.mark.ray
class TestAlign:
    def test_counts_and_shards(self, data: Built) -> None:
        """Every shard of both parts, row for row; three of training, of forty rows but for the last."""
        assert len(data.corpus.files("train")) == 3
        counts = data.align.counts
        assert counts.rows_in == counts.rows_out == sum(file.rows for part in PARTS for file in data.corpus.files(part))
        assert counts.rejected == {}
        for part in PARTS:
            for before, after in zip(data.corpus.files(part), data.align.files(part), strict=True):
                assert (after.label, after.rows, after.info) == (before.label, before.rows, before.info)
        assert data.align.info["peak_memory_bytes"] > 2**20

    def test_tables(self, data: Built) -> None:
        for part in PARTS:
            for before, after in zip(data.corpus.files(part), data.align.files(part), strict=True):
                table = data.align.read_parquet(after)
                assert table.schema == ALIGNED
                assert table.select(PAIRS.names).to_pylist() == data.corpus.read_parquet(before).to_pylist()

    @pytest.mark.parametrize("part", PARTS)
    def test_held_out_rows_are_aligned_by_the_model_of_the_training_rows(self, plain: Built, part: str) -> None:
        model = fit(pairs_of(plain.corpus, "train"))
        expected = align_pairs(model, pairs_of(plain.corpus, part))
        assert_same_alignments(alignments_of(plain.align, part), expected)

    def test_links_index_into_the_words(self, data: Built) -> None:
        num_rows = 0
        for part in PARTS:
            for file in data.align.files(part):
                for row in data.align.read_parquet(file).to_pylist():
                    words = unflat(row["source_words"]), unflat(row["target_words"])
                    assert words == (word_spans(row["source"]), word_spans(row["target"]))
                    links = unflat(row["forward_links"]), unflat(row["reverse_links"])
                    union = {*links[0], *links[1]}
                    assert all(0 <= i < len(words[0]) and 0 <= j < len(words[1]) for i, j in union)
                    assert len(row["union_posteriors"]) == 2 * len(union)
                    assert all(0 <= value <= 1 for value in row["union_posteriors"])
                    assert row["forward_score"] < 0
                    assert row["reverse_score"] < 0
                    num_rows += 1
        assert num_rows == 120

    def test_links_are_right(self, data: Built) -> None:
        """Word n of one side is word n of the other: nearly all links of both directions join them."""
        right = wrong = 0
        for file in data.align.files("train"):
            for row in data.align.read_parquet(file).to_pylist():
                for i, j in unflat(row["forward_links"] + row["reverse_links"]):
                    right, wrong = (right + 1, wrong) if i == j else (right, wrong + 1)
        assert right > 50 * max(wrong, 1)

    def test_lowercase_is_for_the_aligner_only(self, data: Built, plain: Built) -> None:
        """Upper case is aligned as lower case where the model is of lower case, and its words are unknown elsewhere."""
        texts = [" ".join(source) for source, _ in pairs_of(data.corpus, "held_out")]
        other = segment(pa.array([" ".join(target) for _, target in pairs_of(data.corpus, "held_out")]), "words")
        (file,) = data.corpus.files("held_out")
        scores = {}
        for name, built in (("lowered", data), ("kept", plain)):
            decode = aligners()["fast_align"].decoder(built.config.align, built.aligner, "en-xx").open(file)
            scores[name] = [
                decode(0, segment(pa.array(given), "words"), other)
                for given in (texts, [text.upper() for text in texts])
            ]
        assert_same_alignments(*scores["lowered"])
        assert (scores["kept"][1].forward_scores < scores["kept"][0].forward_scores - 10).all()


class TestRuns:
    @given(st.lists(st.one_of(st.integers(1, 40_000), st.integers(1, 2 * CELLS_AT_ONCE)), max_size=200))
    def test_cover_all_pairs_in_bounds(self, cells: list[int]) -> None:
        """In order, without gaps; a run is within the bound, or one pair; and no pair would fit to the run before."""
        found = list(runs(np.array(cells, np.int64)))
        assert [pair for begin, end in found for pair in range(begin, end)] == list(range(len(cells)))
        assert all(begin < end for begin, end in found)
        for begin, end in found:
            assert end - begin == 1 or sum(cells[begin:end]) <= CELLS_AT_ONCE
            assert end == len(cells) or sum(cells[begin : end + 1]) > CELLS_AT_ONCE

    def test_none(self) -> None:
        assert list(runs(np.zeros(0, np.int64))) == []


@pytest.mark.ray
class TestParts:
    @pytest.fixture
    def few_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("weam_ray.align.stage.ROWS_AT_ONCE", 7)
        monkeypatch.setattr("weam_ray.align.stage.CELLS_AT_ONCE", 150)

    def test_parts_of_a_file_give_the_same_rows(self, plain: Built, few_at_once: None) -> None:
        for file, aligned in zip(plain.corpus.files("train"), plain.align.files("train"), strict=True):
            decode = aligners()["fast_align"].decoder(plain.config.align, plain.aligner, "en-xx").open(file)
            memory: list[int] = []
            tables = list(align_file(plain.corpus, file, decode, "whitespace", memory))
            assert len(tables) == len(memory) > file.rows // 7
            assert pa.concat_tables(tables).combine_chunks().equals(plain.align.read_parquet(aligned).combine_chunks())

    def test_stage_file_as_an_item(self, plain: Built) -> None:
        """What a task is sent is plain values."""
        for file in plain.align.files("train"):
            assert set(asdict(file)["info"]) == {"language_pair", "first_row", "end_row"}
