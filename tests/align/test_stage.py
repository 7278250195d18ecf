"""The stages `aligner` and `align` on Ray."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import tiny_overrides, write_moses
from tests.encode.tables import unflat
from weam_ray.align.fast_align.aligner import MODEL, shard_texts
from weam_ray.align.fast_align.fit import fit
from weam_ray.align.fast_align.tasks import Threads
from weam_ray.align.stage import CELLS_AT_ONCE, runs
from weam_ray.config import Config, load_config
from weam_ray.corpus.tables import ALIGNED, PAIRS
from weam_ray.corpus.words import word_spans
from weam_ray.pipeline import Data, StagePlan, run_stages
from weam_ray.storage import Folder, SourceHashes, StageFile, StageStore

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
        files = data.aligner.files(MODEL)
        assert [file.label for file in files] == ["en-xx.words", "en-xx.00000"]
        assert all(file.info["language_pair"] == "en-xx" for file in files)
        texts = shard_texts(data.corpus, "en-xx", 2, "words")
        lexicon, parts = fit(texts, data.config.align, "words", Threads(1), lambda _, part: part)
        assert data.aligner.read(files[0]) == lexicon.to_bytes()
        assert [data.aligner.read(files[1])] == [part.to_bytes() for part in parts]
        assert len(data.aligner.info["en-xx"]["iterations"]) == len(lexicon.parameters.reports) == 8
        assert data.aligner.info["en-xx"]["num_pairs"] == len(parts[0].columns)

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

    def test_lowercase_is_for_the_aligner_only(
        self, build: Callable[[Config], Data], data: Data, tmp_path: Path
    ) -> None:
        """Upper-cased text has the same links and spans, and stays as it is."""
        source, target = write_moses(tmp_path)
        source.write_text(source.read_text(encoding="utf-8").upper(), encoding="utf-8")
        upper = build(load_config("bundled", tiny_overrides(Path(str(data.config.home)), (source, target))))
        names = ("source_words", "forward_links", "reverse_links")
        plain, shouted = (
            {row["pair_id"]: row for part in PARTS for file in one.align.files(part) for row in rows_of(one, file)}
            for one in (data, upper)
        )
        assert plain.keys() == shouted.keys()
        assert all(shouted[pair]["source"] == row["source"].upper() for pair, row in plain.items())
        same = sum(all(shouted[pair][name] == row[name] for name in names) for pair, row in plain.items())
        assert same > 0.9 * len(plain)  # other pairs are held out, so the fits differ a little


def rows_of(data: Data, file: StageFile) -> list[dict[str, Any]]:
    return data.align.read_parquet(file).to_pylist()


@given(st.lists(st.integers(0, 2 * CELLS_AT_ONCE), max_size=30))
def test_runs(cells: list[int]) -> None:
    """All pairs, in order; no run of several pairs has too many cells, and none could take the next pair."""
    found = list(runs(np.array(cells, np.int64)))
    assert [pair for begin, end in found for pair in range(begin, end)] == list(range(len(cells)))
    for number, (begin, end) in enumerate(found):
        assert end - begin == 1 or sum(cells[begin:end]) <= CELLS_AT_ONCE
        if number + 1 < len(found):
            assert sum(cells[begin : end + 1]) > CELLS_AT_ONCE
