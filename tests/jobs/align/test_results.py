"""What the alignment job finds, on the verses that the C++ program aligned, and what its folder holds."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.support.align_job import LANGUAGES, VERSES, aligned, assert_same_tables, directions, links_lines, run
from tests.support.texts import align, all_links, as_lists, fit, reference_links, share_differing, verses
from weam_ray.align.pharaoh import format_pharaoh, read_pharaoh
from weam_ray.align.symmetrize import symmetrize
from weam_ray.corpus.tables import ALIGNED
from weam_ray.settings.config import load_config

pytestmark = pytest.mark.ray

DATA_ROOT = "WEAM_RAY_DATA_ROOT"
PHASES = ["start", "load", "corpus", "fit", "decode", "tracking", "links", "write", "pictures", "total"]


class TestResults:
    def test_links_are_those_of_the_aligner(self, good: tuple[Path, dict[str, Any]]) -> None:
        """Fitted here, without job, stages and Ray; and near those of the C++ program, which saw 5,000 verses."""
        found = align(fit(verses()), verses())
        assert len(links_lines(good[0])) == 300
        for links, own in zip(directions(aligned(good[0])), (found.forward, found.reverse), strict=True):
            assert as_lists(links) == as_lists(own)
        links = read_pharaoh(good[0] / "links.pharaoh")
        assert as_lists(links) == as_lists(symmetrize(found.forward, found.reverse, "grow-diag-final-and"))
        assert 0 < share_differing(links, all_links(reference_links("grow-diag-final-and"))) < 0.4

    def test_links_are_those_of_the_cpp_program(self, home: Path, tmp_path: Path) -> None:
        """On the 5,000 verses that the program was trained on, of which the fixture has the first."""
        if DATA_ROOT not in os.environ:
            pytest.skip(f"{DATA_ROOT} names no folder with fast_align/bible-en-de-5k.*.gz")
        file = Path(os.environ[DATA_ROOT]) / "fast_align" / "bible-en-de-5k"
        run(home, tmp_path / "out", "--input", f"{file}.txt.gz", "--format", "pipes", *LANGUAGES)
        links = {"fwd": directions(aligned(tmp_path / "out"))[0], "rev": directions(aligned(tmp_path / "out"))[1]}
        links["grow-diag-final-and"] = read_pharaoh(tmp_path / "out" / "links.pharaoh")
        for kind, own in links.items():
            assert len(own.offsets) == 5_001
            assert share_differing(own, all_links(read_pharaoh(Path(f"{file}.{kind}.gz")))) <= 3e-4

    def test_aligned_tables(self, good: tuple[Path, dict[str, Any]]) -> None:
        table = aligned(good[0])
        assert table.schema == ALIGNED
        assert table["row"].to_pylist() == list(range(300))
        for side, column in enumerate(("source", "target")):
            assert table[column].to_pylist() == [" ".join(pair[side]) for pair in verses()]
        own = symmetrize(*directions(table), "grow-diag-final-and")
        assert (good[0] / "links.pharaoh").read_bytes() == format_pharaoh(own)

    def test_result(self, good: tuple[Path, dict[str, Any]]) -> None:
        folder, result = good
        assert (result["pairs"], result["lines"], result["rejected"]) == (300, 300, {})
        assert (result["aligner"], result["symmetrization"]) == ("fast_align", "grow-diag-final-and")
        assert result["language_pairs"] == {"en-de": 300}
        last = {entry["direction"]: entry for entry in result["iterations"]["en-de"]}
        assert set(result["tension"]) == {"forward", "reverse"} == set(last)
        assert all(0.1 < tension < 14 and tension != 4 for tension in result["tension"].values())
        assert len(result["iterations"]["en-de"]) == 8
        assert list(result["seconds"]) == PHASES
        assert sum(result["seconds"].values()) - result["seconds"]["total"] <= result["seconds"]["total"] + 0.01
        assert result["peak_memory_bytes"] > 2**20
        files = [file for file in (folder / "model").iterdir() if file.name != "manifest.json"]
        assert result["model_bytes"] == sum(file.stat().st_size for file in files) > 0
        assert "aer" not in result

    def test_folder(self, good: tuple[Path, dict[str, Any]]) -> None:
        folder = good[0]
        names = {"aligned", "model", "alignment.json", "config.yaml", "links.pharaoh", "rejected.tsv", "result.json"}
        assert {file.name for file in folder.iterdir()} == names
        assert (folder / "rejected.tsv").read_text(encoding="utf-8") == "line\treason\n"
        config = load_config(str(folder / "config.yaml"))
        assert (config.corpus.segmentation, config.align.lowercase, config.corpus.held_out) == ("whitespace", False, 0)

    @pytest.mark.parametrize(
        "override",
        [
            "align.num_shards=1",
            "align.num_shards=2",
            "align.num_shards=7",
            "align.memory_limit=0",
            "corpus.rows_per_shard=37",
        ],
    )
    def test_same_bits_however_it_is_cut(
        self, good: tuple[Path, dict[str, Any]], tmp_path: Path, override: str
    ) -> None:
        """In a home of its own: no stage is reused."""
        result = run(tmp_path / "home", tmp_path / "out", *VERSES, override)
        assert (tmp_path / "out" / "links.pharaoh").read_bytes() == (good[0] / "links.pharaoh").read_bytes()
        assert result["tension"] == good[1]["tension"]
        assert result["iterations"] == good[1]["iterations"]
        assert_same_tables(aligned(tmp_path / "out"), aligned(good[0]))

    def test_identical_run_reuses_all_stages(
        self, good: tuple[Path, dict[str, Any]], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = (good[0] / "links.pharaoh").read_bytes()
        run(home, tmp_path / "other", *VERSES)
        again = run(home, good[0], *VERSES)  # over its own results
        assert again["mlflow_run_id"] == good[1]["mlflow_run_id"]
        printed = capsys.readouterr().out
        for stage in ("corpus-", "aligner-", "align-", "links-"):
            lines = [line for line in printed.splitlines() if line.startswith(stage)]
            assert len(lines) == 2
            assert all(": reused (300 rows in, 300 out)" in line for line in lines)
        assert (tmp_path / "other" / "links.pharaoh").read_bytes() == before
        assert (good[0] / "links.pharaoh").read_bytes() == before

    def test_posteriors_and_scores_are_of_the_pair(self, good: tuple[Path, dict[str, Any]]) -> None:
        table = aligned(good[0])
        union = symmetrize(*directions(table), "union")
        posteriors = table["union_posteriors"].combine_chunks()
        assert_array_equal(np.diff(posteriors.offsets.to_numpy()), 2 * np.diff(union.offsets))
        values = posteriors.flatten().to_numpy()
        assert (values >= 0).all()
        assert (values <= 1).all()
        assert (table["forward_score"].to_numpy() < 0).all()
        assert (table["reverse_score"].to_numpy() < 0).all()
