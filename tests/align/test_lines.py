"""The stage `links`: lines of all rows, held-out ones in their places, with scores where they are asked for."""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.align_job import TEXT, aligned, directions, links_lines, pipes, run
from tests.support.tables import flat
from tests.support.texts import links_of, read_lines
from weam_ray.align.lines import LinksStage, rows_between, shards
from weam_ray.align.links import Links
from weam_ray.align.pharaoh import format_pharaoh
from weam_ray.align.stage import AlignerStage, AlignStage
from weam_ray.corpus.stage import CorpusStage
from weam_ray.corpus.tables import ALIGNED
from weam_ray.settings.data import AlignSection, CorpusSection
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, Stage, StageFile


def write(attempt: Attempt, part: str, label: str, rows: list[int], **info: object) -> StageFile:
    """A file of rows of which each has the one link (row, row)."""
    links = [flat([(row, row)]) for row in rows]
    columns = {"row": rows, "forward_links": links, "reverse_links": links}
    table = pa.table([columns.get(name, [None] * len(rows)) for name in ALIGNED.names], schema=ALIGNED)
    return attempt.write_parquet(part, label, table, language_pair="en-xx", **info)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Source 0: rows 0 to 9 of which 2 is rejected, 4 and 9 are held out; 1: all rejected; 2: only held out."""
    folder = Folder.at(tmp_path)
    attempt = Attempt(folder, "a")
    files = [
        write(attempt, "train", "000-00000", [0, 1, 3], first_row=0, end_row=4),
        write(attempt, "train", "000-00001", [5, 6, 7, 8], first_row=4, end_row=10),
        write(attempt, "held_out", "000-00000", [4, 9]),
        write(attempt, "held_out", "002-00000", [1]),
    ]
    return Stage(folder, {"files": [vars(file) for file in files]})


class TestRows:
    @pytest.mark.parametrize(
        ("source", "first", "end", "rows"),
        [
            (0, 0, 10, [0, 1, 3, 4, 5, 6, 7, 8, 9]),
            (0, 0, 4, [0, 1, 3]),
            (0, 4, 10, [4, 5, 6, 7, 8, 9]),
            (0, 3, 6, [3, 4, 5]),
            (0, 2, 3, []),
            (0, 9, 10, [9]),
            (0, 10, 20, []),
            (1, 0, 10, []),
            (2, 0, 3, [1]),
        ],
    )
    def test_rows_between(self, stage: Stage, source: int, first: int, end: int, rows: list[int]) -> None:
        table = rows_between(stage, source, first, end, ["row", "forward_links"])
        assert table.column_names == ["row", "forward_links"]
        assert table["row"].to_pylist() == rows
        expected = links_of([[(row, row)] for row in rows])
        assert format_pharaoh(Links.from_arrow(table["forward_links"])) == format_pharaoh(expected)

    def test_shards_are_all_rows_of_all_sources(self, stage: Stage) -> None:
        found = [tuple(item.values()) for item in shards(stage, [10, 3, 2])]
        assert found == [
            (0, "000-00000", 0, 4),
            (0, "000-00001", 4, 10),
            (1, "001-00000", 0, 3),
            (2, "002-00000", 0, 2),
        ]


class TestSpec:
    def test_symmetrization_and_scores_count(self) -> None:
        source = {"format": "bundled", "source_lang": "en", "target_lang": "de"}
        corpus = CorpusStage(CorpusSection.model_validate({"sources": [source]}), [["a"]])
        aligner = AlignerStage(AlignSection(), 1, corpus, {})
        align, other = (AlignStage(AlignSection(lowercase=lower), corpus, aligner) for lower in (True, False))
        stages = [
            LinksStage("intersect", False, align),
            LinksStage("intersect", False, other),
            LinksStage("intersect", True, align),
            LinksStage("union", False, align),
        ]
        assert len({stage.fingerprint for stage in stages}) == 4


@pytest.mark.ray
class TestScores:
    def test_each_direction_with_its_scores(self, tmp_path: Path, ray_session: None) -> None:
        """`links ||| score`; a rejected line is blank; held-out rows, read back, have theirs too."""
        lines = read_lines(TEXT)[:60]
        lines[7] = "no separator"
        text = pipes(tmp_path / "text", *lines)
        out = tmp_path / "out"
        run(tmp_path / "home", out, *text, "--scores", "corpus.held_out=10", "corpus.rows_per_shard=16")
        table = aligned(out)
        assert aligned(out, "held_out-*").num_rows == 10
        assert len(links_lines(out)) == 60
        for name, links in zip(("forward", "reverse"), directions(table), strict=True):
            found = links_lines(out, name)
            assert found[7] == ""
            parts = [line.split(" ||| ") for line in found[:7] + found[8:]]
            assert [float(score) for _, score in parts] == pytest.approx(table[f"{name}_score"].to_pylist(), rel=1e-5)
            own = format_pharaoh(links).decode().splitlines()
            assert [line for line, _ in parts] == own

    def test_not_asked_for(self, tmp_path: Path, ray_session: None) -> None:
        """Those of an earlier job are not left beside other links."""
        text = pipes(tmp_path / "text", *read_lines(TEXT)[:20])
        run(tmp_path / "home", tmp_path / "out", *text, "--scores")
        assert len(links_lines(tmp_path / "out", "forward")) == 20
        text = pipes(tmp_path / "text", *read_lines(TEXT)[:10])
        run(tmp_path / "home", tmp_path / "out", *text)
        assert not (tmp_path / "out" / "forward.pharaoh").exists()
        assert not (tmp_path / "out" / "reverse.pharaoh").exists()
