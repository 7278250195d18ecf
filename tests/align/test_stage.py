"""The stages `aligner` and `align` on Ray."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import tiny_overrides, write_moses
from tests.encode.tables import unflat
from weam_ray.align.fast_align import FastAlign
from weam_ray.align.stage import align_table, split
from weam_ray.config import Config, load_config
from weam_ray.corpus.tables import ALIGNED, PAIRS
from weam_ray.corpus.words import word_spans
from weam_ray.pipeline import Data, StagePlan, run_stages
from weam_ray.storage import Folder, SourceHashes, StageStore

pytestmark = pytest.mark.ray

PARTS = ("train", "held_out")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("align")
    return load_config("bundled", tiny_overrides(folder / "home", write_moses(folder)))


@pytest.fixture(scope="module")
def build(ray_session: None, config: Config) -> Callable[[Config], Data]:
    home = Path(str(config.home))

    def build(config: Config) -> Data:
        plan = StagePlan.of(config, SourceHashes(home / "hashes.json"))
        return run_stages(config, StageStore(Folder.at(home / "stages")), plan)

    return build


@pytest.fixture(scope="module")
def data(build: Callable[[Config], Data], config: Config) -> Data:
    return build(config)


class TestAligner:
    def test_one_model_for_a_language_pair(self, data: Data) -> None:
        """Fitted on the training part alone, as `fit` does it here."""
        (file,) = data.aligner.files("model")
        assert (file.label, file.info) == ("en-xx", {"language_pair": "en-xx"})
        rows = [row for shard in data.corpus.files("train") for row in data.corpus.read_parquet(shard).to_pylist()]
        words = [(split(row["source"], True)[0], split(row["target"], True)[0]) for row in rows]
        model = FastAlign.fit(words, data.config.align)
        assert data.aligner.read(file) == model.to_bytes()
        assert len(data.aligner.info["en-xx"]) == len(model.reports) == 8

    def test_counts(self, data: Data) -> None:
        rows = sum(file.rows for file in data.corpus.files("train"))
        assert (data.aligner.counts.rows_in, data.aligner.counts.rows_out) == (rows, rows)
        assert data.aligner.counts.rejected == {}


class TestAlign:
    def test_counts_and_shards(self, data: Data) -> None:
        """Every shard of both parts, row for row; three of training, of forty rows but for the last."""
        assert len(data.corpus.files("train")) == 3
        counts = data.align.counts
        assert counts.rows_in == counts.rows_out == sum(file.rows for part in PARTS for file in data.corpus.files(part))
        assert counts.rejected == {}
        for part in PARTS:
            shards = zip(data.corpus.files(part), data.align.files(part), strict=True)
            for before, after in shards:
                assert (after.label, after.rows, after.info) == (before.label, before.rows, before.info)

    def test_tables(self, data: Data) -> None:
        for part in PARTS:
            for before, after in zip(data.corpus.files(part), data.align.files(part), strict=True):
                table = data.align.read_parquet(after)
                assert table.schema == ALIGNED
                assert table.select(PAIRS.names).to_pylist() == data.corpus.read_parquet(before).to_pylist()

    def test_links_index_into_the_words(self, data: Data) -> None:
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

    def test_links_are_right(self, data: Data) -> None:
        """Word n of one side is word n of the other: nearly all links of both directions join them."""
        right = wrong = 0
        for file in data.align.files("train"):
            for row in data.align.read_parquet(file).to_pylist():
                for i, j in unflat(row["forward_links"] + row["reverse_links"]):
                    right, wrong = (right + 1, wrong) if i == j else (right, wrong + 1)
        assert right > 50 * max(wrong, 1)

    def test_lowercase_is_for_the_aligner_only(self, data: Data) -> None:
        (file,) = data.aligner.files("model")
        model = FastAlign.from_bytes(data.aligner.read(file))
        table = data.corpus.read_parquet(data.corpus.files("held_out")[0])
        upper = table.set_column(3, "source", [[text.upper() for text in table["source"].to_pylist()]])
        lowered, kept = (align_table(upper, model, lowercase).to_pylist() for lowercase in (True, False))
        plain = align_table(table, model, True).to_pylist()
        for name in ("source_words", "forward_links", "union_posteriors", "forward_score"):
            assert [row[name] for row in lowered] == [row[name] for row in plain]
        assert [row["source"] for row in lowered] == upper["source"].to_pylist()
        assert [row["forward_score"] for row in kept] != [row["forward_score"] for row in plain]
