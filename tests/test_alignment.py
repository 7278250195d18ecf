"""The alignment job, in this process, on the verses that the C++ program aligned; `run` serves other tests as well."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from tests.align.texts import (
    FIXTURES,
    align,
    all_links,
    as_lists,
    fit,
    read_lines,
    reference_links,
    share_differing,
    verses,
)
from weam_ray.align.alignments import Links
from weam_ray.align.pharaoh import format_pharaoh, read_pharaoh
from weam_ray.align.symmetrize import METHODS, symmetrize
from weam_ray.align_options import align_config, align_parser, join_ranges, wishes
from weam_ray.alignment import Alignment
from weam_ray.config import load_config
from weam_ray.corpus.tables import ALIGNED
from weam_ray.errors import UserError
from weam_ray.evaluate.alignment_error import read_gold, score_all

pytestmark = pytest.mark.ray

CHECKOUT = Path(__file__).resolve().parents[1]
TEXT = FIXTURES / "verses-en-de.txt.gz"
LANGUAGES = ("--source-lang", "en", "--target-lang", "de")
VERSES = ("--input", TEXT, "--format", "pipes", *LANGUAGES)
DATA_ROOT = "WEAM_RAY_DATA_ROOT"
PHASES = ["start", "load", "corpus", "fit", "decode", "links", "write", "pictures", "total"]


def run(home: Path, output: Path, *arguments: object) -> dict[str, Any]:
    """The job as its command line starts it; overrides go last. The result, as result.json has it."""
    words = ["--output", str(output), *map(str, arguments), f"home={home}"]
    options = align_parser("").parse_args(join_ranges(words))
    result = Alignment.of(align_config(options), CHECKOUT, wishes(options)).run()
    assert json.loads((output / "result.json").read_text(encoding="utf-8")) == result
    return result


def pipes(file: Path, *lines: str | bytes) -> tuple[object, ...]:
    """Arguments for a file of lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return "--input", file, "--format", "pipes", *LANGUAGES


def links_lines(folder: Path, name: str = "links") -> list[str]:
    text = (folder / f"{name}.pharaoh").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def aligned(folder: Path, pattern: str = "*") -> pa.Table:
    """The rows of `aligned/`, by row."""
    tables = [pq.read_table(file) for file in sorted((folder / "aligned").glob(f"{pattern}.parquet"))]
    return pa.concat_tables(tables).sort_by("row").combine_chunks()


def directions(table: pa.Table) -> tuple[Links, Links]:
    return Links.from_arrow(table["forward_links"]), Links.from_arrow(table["reverse_links"])


def assert_same_tables(actual: pa.Table, expected: pa.Table) -> None:
    """Bit by bit; floats are compared as bytes."""
    assert actual.schema == expected.schema
    for name in ("forward_score", "reverse_score"):
        assert actual[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
    posteriors = [table["union_posteriors"].combine_chunks().flatten().to_numpy() for table in (actual, expected)]
    assert posteriors[0].tobytes() == posteriors[1].tobytes()
    rest = [name for name in ALIGNED.names if name not in ("forward_score", "reverse_score", "union_posteriors")]
    assert actual.select(rest).equals(expected.select(rest))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    return tmp_path_factory.mktemp("alignment")


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    """A home whose stages the tests share."""
    return base / "home"


@pytest.fixture(scope="module")
def good(base: Path, home: Path) -> tuple[Path, dict[str, Any]]:
    """Output folder and result of the plain job."""
    return base / "good", run(home, base / "good", *VERSES)


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
        names = {"aligned", "model", "config.yaml", "links.pharaoh", "rejected.tsv", "result.json"}
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
        run(home, good[0], *VERSES)  # over its own results
        printed = capsys.readouterr().out
        for stage in ("corpus-", "aligner-", "align-", "links-"):
            lines = [line for line in printed.splitlines() if line.startswith(stage)]
            assert len(lines) == 2
            assert all(": reused (300 rows in, 300 out)" in line for line in lines)
        assert (tmp_path / "other" / "links.pharaoh").read_bytes() == before
        assert (good[0] / "links.pharaoh").read_bytes() == before


BAD: list[tuple[int, bytes, str]] = [  # (good lines before it, line, reason)
    (0, b"", "blank"),
    (3, b" ||| ", "blank"),
    (3, b"|||", "blank"),
    (17, b"a line with one side ||| ", "blank"),
    (18, b" ||| nur eine seite", "blank"),
    (40, b"no separator at all", "blank"),
    (99, b"too " * 10_000 + b"long ||| zu lang", "too_long"),
    (99, b"kurz ||| " + b"lang " * 2_001, "too_long"),
    (150, b"a nul \0 byte ||| ein nul-byte", "nul"),
    (200, b"half of a pair \xed\xa0\x80 ||| ein halbes paar", "surrogate"),
    (201, "\u200f\u200f ||| nur zeichen der schreibrichtung".encode(), "blank"),
    (250, b"bars ||| in ||| the text", "separator"),
    (299, b"two\ttabs\tin the line", "separator"),
    (300, b"", "blank"),
]


class TestBadInput:
    @pytest.fixture(scope="class")
    def mixed(self, base: Path) -> tuple[Path, dict[str, Any], dict[int, str]]:
        """Output, result, and the reasons by line from 1, of the verses with bad lines between them."""
        texts = read_lines(TEXT)
        lines: list[str | bytes] = []
        reasons = {}
        for number in range(301):
            for before, bad, reason in BAD:
                if before == number:
                    lines.append(bad)
                    reasons[len(lines)] = reason
            lines += texts[number : number + 1]
        result = run(base / "mixed-home", base / "mixed", *pipes(base / "mixed.txt", *lines))
        return base / "mixed", result, reasons

    def test_other_lines_are_as_without_them(
        self, good: tuple[Path, dict[str, Any]], mixed: tuple[Path, dict[str, Any], dict[int, str]]
    ) -> None:
        found = links_lines(mixed[0])
        assert len(found) == 314
        assert all(found[number - 1] == "" for number in mixed[2])
        assert [line for number, line in enumerate(found, 1) if number not in mixed[2]] == links_lines(good[0])
        assert mixed[1]["tension"] == good[1]["tension"]

    def test_they_are_named_and_counted(self, mixed: tuple[Path, dict[str, Any], dict[int, str]]) -> None:
        folder, result, reasons = mixed
        expected = ["line\treason", *(f"{number}\t{reason}" for number, reason in reasons.items())]
        assert (folder / "rejected.tsv").read_text(encoding="utf-8").splitlines() == expected
        assert (result["lines"], result["pairs"]) == (314, 300)
        assert result["rejected"] == dict(Counter(reasons.values()))
        assert result["noted"] == {"direction_marks": 1}

    def test_bytes_that_are_not_utf8(self, tmp_path: Path, ray_session: None) -> None:
        arguments = pipes(tmp_path / "latin.txt", "the house ||| das haus", b"the river ||| der flu\xdf")
        with pytest.raises(UserError, match=r"latin\.txt, line 2: byte 22 of the line, 0xdf, is not UTF-8"):
            run(tmp_path / "home", tmp_path / "out", *arguments)
        assert not (tmp_path / "out" / "result.json").exists()

    def test_nothing_left(self, tmp_path: Path, ray_session: None) -> None:
        with pytest.raises(UserError, match=r"en-de corpus is empty after filtering: 2 pairs were read from .*2 blank"):
            run(tmp_path / "home", tmp_path / "out", *pipes(tmp_path / "text", "one side", ""))


@pytest.fixture(scope="module")
def gold(base: Path) -> Callable[[int, int, int], Path]:
    """Gold of rows `start` to `end`: sure what is in the C++ program's intersection, possible what is in its union."""
    sure, possible = (as_lists(reference_links(kind)) for kind in ("intersect", "union"))

    def write(start: int, end: int, first: int = 0) -> Path:
        lines = [
            " ".join(f"{i + first}{'-' if (i, j) in sure[row] else 'p'}{j + first}" for i, j in sorted(possible[row]))
            for row in range(start, end)
        ]
        file = base / f"gold-{start}-{end}-{first}"
        file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return file

    return write


class TestGold:
    @pytest.mark.parametrize(
        ("start", "end", "first", "arguments"),
        [
            (0, 300, 0, []),
            (253, 300, 1, ["--gold-one-based"]),
            (10, 30, 0, ["--gold-lines", "10:30"]),
            (295, 300, 0, ["--gold-lines", "-5:"]),
            (0, 300, 0, ["--symmetrization", "intersect"]),
        ],
    )
    def test_scores(
        self,
        good: tuple[Path, dict[str, Any]],
        home: Path,
        tmp_path: Path,
        gold: Callable[[int, int, int], Path],
        start: int,
        end: int,
        first: int,
        arguments: list[str],
    ) -> None:
        """Those of `score_all` on the links of these rows; the job fits and decodes nothing anew."""
        file = gold(start, end, first)
        result = run(home, tmp_path / "out", *VERSES, "--gold", file, *arguments)
        rows = np.arange(start, end)
        forward, reverse = (links.take(rows) for links in directions(aligned(good[0])))
        scores = score_all(forward, reverse, read_gold(file, bool(first)))
        chosen = scores["intersect" if "intersect" in arguments else "grow-diag-final-and"]
        assert result["gold_lines"] == [start, end]
        assert [result[key] for key in ("aer", "precision", "recall")] == [chosen.aer, chosen.precision, chosen.recall]
        assert list(result["aer_by_symmetrization"]) == ["forward", "reverse", *METHODS]
        assert result["aer_by_symmetrization"] == {name: own.aer for name, own in scores.items()}
        assert result["scores_by_symmetrization"] == {name: vars(own) for name, own in scores.items()}
        assert 5 < result["aer"] < 30
        assert [file.name for file in (tmp_path / "out").glob("*.png")] == [f"alignment-{start + 1}.png"]

    def test_links_of_rejected_lines_are_missed(self, tmp_path: Path, ray_session: None) -> None:
        """Three lines of one word a side, of which one is rejected: two of three sure links are found."""
        text = pipes(tmp_path / "text", "haus ||| house", "weg ||| ", "fluss ||| river")
        (tmp_path / "gold").write_text("0-0\n0-0\n0-0\n", encoding="utf-8")
        result = run(tmp_path / "home", tmp_path / "out", *text, "--gold", tmp_path / "gold")
        assert (result["precision"], result["recall"]) == (100, 100 * 2 / 3)
        assert result["aer"] == pytest.approx(100 * (1 - 4 / 5))
        assert (result["pairs"], result["rejected"]) == (2, {"blank": 1})

    def test_pictures(self, good: tuple[Path, dict[str, Any]], home: Path, tmp_path: Path) -> None:
        run(home, tmp_path / "out", *VERSES, "--picture", 3, "--picture", 300)
        for line in (3, 300):
            assert (tmp_path / "out" / f"alignment-{line}.png").read_bytes().startswith(b"\x89PNG")
        with pytest.raises(UserError, match=r"--picture 301: the text has 300 lines"):
            run(home, tmp_path / "out", *VERSES, "--picture", 301)

    def test_picture_of_a_rejected_line(self, tmp_path: Path, ray_session: None) -> None:
        text = pipes(tmp_path / "text", "haus ||| house", "weg ||| ", "fluss ||| river")
        with pytest.raises(UserError, match=r"--picture 2: this line is not among the aligned pairs; it is rejected"):
            run(tmp_path / "home", tmp_path / "out", *text, "--picture", 2)

    @pytest.mark.parametrize(
        ("rows", "arguments", "message"),
        [
            ((0, 300, 0), ["--gold-lines", "0:5"], "--gold-lines 0:5 names 5 of the 300 input lines.*has 300 lines"),
            ((0, 5, 0), ["--gold-lines", "five"], "--gold-lines 'five' is no range"),
            ((1, 2, 0), ["--gold-lines", "0:1"], "line 1: link .* is beyond its pair of 11 source and 10 target words"),
            ((0, 5, 0), ["--gold-one-based"], "has a word 0, but --gold-one-based"),
        ],
    )
    def test_gold_of_other_lines(
        self,
        good: tuple[Path, dict[str, Any]],
        home: Path,
        tmp_path: Path,
        gold: Callable[[int, int, int], Path],
        rows: tuple[int, int, int],
        arguments: list[str],
        message: str,
    ) -> None:
        with pytest.raises(UserError, match=message):
            run(home, tmp_path / "out", *VERSES, "--gold", gold(*rows), *arguments)

    def test_more_gold_than_lines(self, tmp_path: Path, gold: Callable[[int, int, int], Path]) -> None:
        text = pipes(tmp_path / "text", "haus ||| house")
        with pytest.raises(UserError, match="--gold has 5 lines and the input 1"):
            run(tmp_path / "home", tmp_path / "out", *text, "--gold", gold(0, 5, 0))


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


class TestOutput:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "out").touch()
        with pytest.raises(UserError, match=r"--output .*out: this is a file; name a folder"):
            run(tmp_path / "home", tmp_path / "out", *VERSES)

    @pytest.mark.parametrize("name", ["model", "aligned"])
    def test_a_folder_of_others(self, tmp_path: Path, name: str) -> None:
        """Nothing of theirs is touched."""
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "theirs").touch()
        with pytest.raises(UserError, match=f"{name} is there, and not from this job; name another folder"):
            run(tmp_path / "home", tmp_path / "out", *VERSES)
        assert [str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*")] == [
            name,
            f"{name}/theirs",
        ]

    def test_a_run_of_pretraining(self, tmp_path: Path) -> None:
        """Its folder has a config.yaml and a model too."""
        for name in ("config.yaml", "state.json", "model/model.safetensors"):
            (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "out" / name).write_text("theirs", encoding="utf-8")
        with pytest.raises(UserError, match=r"--output .*out: a run of pre-training is there; name another folder"):
            run(tmp_path / "home", tmp_path / "out", *VERSES)
        for name in ("config.yaml", "state.json", "model/model.safetensors"):
            assert (tmp_path / "out" / name).read_text(encoding="utf-8") == "theirs"

    def test_missing(self, tmp_path: Path) -> None:
        options = align_parser("").parse_args([*map(str, VERSES), f"home={tmp_path}"])
        with pytest.raises(UserError, match="--output: name the folder for the results"):
            Alignment.of(align_config(options), CHECKOUT, wishes(options))

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
