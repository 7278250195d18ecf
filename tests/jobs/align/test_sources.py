"""Every format, several language pairs."""

import gzip
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.align_job import CHECKOUT, LANGUAGES, TEXT, aligned, directions, links_lines, pipes, run
from tests.support.forms import opus, tmx
from tests.support.texts import read_lines, verses
from weam_ray.align.pharaoh import format_pharaoh
from weam_ray.align.symmetrize import symmetrize
from weam_ray.errors import UserError

pytestmark = pytest.mark.ray


class TestSources:
    @pytest.fixture
    def sides(self) -> tuple[str, str]:
        source, target = ("".join(" ".join(pair[side]) + "\n" for pair in verses(100)) for side in range(2))
        return source, target

    def test_every_format_gives_the_same_links(self, tmp_path: Path, ray_session: None, sides: tuple[str, str]) -> None:
        """The words of whitespace, as they are, however the text is stored."""
        for side, ending in zip(sides, ("en", "de"), strict=True):
            (tmp_path / f"text.{ending}").write_text(side, encoding="utf-8")
            (tmp_path / f"packed.{ending}.gz").write_bytes(gzip.compress(side.encode()))
        columns = [side.splitlines() for side in sides]
        rows = ["\t".join(["id", target, source]) for source, target in zip(*columns, strict=True)]
        (tmp_path / "text.tsv").write_text("".join(row + "\n" for row in rows), encoding="utf-8")
        pq.write_table(pa.table({"left": columns[0], "right": columns[1]}), tmp_path / "text.parquet")
        inputs: dict[str, tuple[object, ...]] = {
            "pipes": pipes(tmp_path / "pipes.txt", *read_lines(TEXT)[:100]),
            "files": ("--input", tmp_path / "text.en", tmp_path / "text.de", "--format", "moses"),
            "prefix": ("--input", tmp_path / "text", "--format", "moses"),
            "packed": ("--input", tmp_path / "packed", "--format", "moses"),
            "tsv": (
                *("--input", tmp_path / "text.tsv", "--format", "tsv"),
                *("--source-column", 2, "--target-column", 1),
            ),
            "opus": ("--input", Path(opus(tmp_path, [*zip(*columns, strict=True)]).path), "--format", "moses"),
            "tmx": ("--input", Path(tmx(tmp_path, [*zip(*columns, strict=True)]).path), "--format", "tmx"),
            "parquet": (
                *("--input", tmp_path / "text.parquet", "--format", "parquet"),
                *("--source-column", "left", "--target-column", "right"),
            ),
        }
        for name, arguments in inputs.items():
            run(
                tmp_path / "home",
                tmp_path / name,
                *arguments,
                *(LANGUAGES if name != "pipes" else ()),
                *("--segmentation", "whitespace", "--no-lowercase"),
                *("corpus.keep_identical=true", "corpus.max_words=2000"),
            )
        assert len(links_lines(tmp_path / "pipes")) == 100
        expected = (tmp_path / "pipes" / "links.pharaoh").read_bytes()
        for name in inputs:
            assert (tmp_path / name / "links.pharaoh").read_bytes() == expected, name

    def test_several_language_pairs(self, tmp_path: Path, ray_session: None) -> None:
        """Two pairs of the bundled corpus with held-out rows, and a small second source of the first pair."""
        lines = ["the king ||| der könig", "one side", "the house of the king ||| das haus des königs"]
        pipes(tmp_path / "more.txt", *lines)
        (tmp_path / "several.yaml").write_text(
            "corpus:\n"
            "  sources:\n"
            "    - {format: bundled, source_lang: en, target_lang: de}\n"
            "    - {format: bundled, source_lang: en, target_lang: fr}\n"
            f"    - {{format: pipes, path: {tmp_path / 'more.txt'}, source_lang: en, target_lang: de}}\n"
            "  max_words: 12\n"
            "  held_out: 20\n"
            "  rows_per_shard: 50\n",
            encoding="utf-8",
        )
        folder = tmp_path / "out"
        result = run(tmp_path / "home", folder, "--config", tmp_path / "several.yaml", "--symmetrization", "union")
        assert not (folder / "links.pharaoh").exists()
        held_out = aligned(folder, "held_out-*")
        assert Counter(held_out["target_lang"].to_pylist()) == {"de": 20, "fr": 20}
        assert set(result["tension"]) == {"en-de", "en-fr"} == set(result["iterations"])
        bundled = pq.ParquetFile(CHECKOUT / "weam_ray/corpus/bundled/verses.parquet").metadata.num_rows
        sizes: Counter[str] = Counter()
        for number, name, num_rows in ((0, "en-de", bundled), (1, "en-fr", bundled), (2, "en-de-2", 3)):
            table = aligned(folder, f"*-{number:03d}-*")
            links = symmetrize(*directions(table), "union").spread(table["row"].to_numpy(), num_rows)
            assert (folder / name / "links.pharaoh").read_bytes() == format_pharaoh(links)
            rejected = (folder / name / "rejected.tsv").read_text(encoding="utf-8").splitlines()[1:]
            rows = [int(line.split("\t")[0]) - 1 for line in rejected]
            assert sorted([*rows, *table["row"].to_pylist()]) == list(range(num_rows))
            sizes[name[:5]] += table.num_rows
        assert result["language_pairs"] == dict(sizes)
        assert result["pairs"] == sizes.total() == result["lines"] - sum(result["rejected"].values())
        assert links_lines(folder / "en-de-2")[1] == ""

    def test_gold_and_pictures_are_about_one_source(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="about one source; this configuration has several"):
            run(tmp_path / "home", tmp_path / "out", "--config", "bundled", "--picture", 1)
