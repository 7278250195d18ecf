"""The command line of the alignment job, without Ray: what it stands for, and what it refuses."""

import json
from pathlib import Path

import pytest

from tests.support.align_job import config_of
from weam_ray.errors import UserError
from weam_ray.jobs.align import Alignment
from weam_ray.settings.align_job import AlignJobSection
from weam_ray.settings.paths import absolute
from weam_ray.settings.sources import MosesSource, NamedColumns, PipesSource, TsvSource

LANGUAGES = ["--source-lang", "en", "--target-lang", "de"]
PIPES = ["--input", "text", "--format", "pipes", *LANGUAGES]
TSV = ["--input", "text.tsv", "--format", "tsv", *LANGUAGES]


def wishes_of(*arguments: str) -> AlignJobSection:
    return config_of(*PIPES, *arguments).align_job


class TestSource:
    def test_pipes_are_taken_as_they_are(self) -> None:
        config = config_of(*PIPES)
        (source,) = config.corpus.sources
        assert isinstance(source, PipesSource)
        assert (source.path, source.source_lang, source.target_lang) == (absolute("text"), "en", "de")
        corpus = config.corpus
        assert (corpus.segmentation, corpus.keep_identical, corpus.max_words) == ("whitespace", True, 2_000)
        assert (corpus.held_out, corpus.rows_per_shard) == (0, 8_000)
        assert (config.align.lowercase, config.align.aligner) == (False, "fast_align")
        assert config.encode.symmetrization == "grow-diag-final-and"

    def test_other_formats_are_text(self) -> None:
        config = config_of(*TSV)
        assert isinstance(config.corpus.sources[0], TsvSource)
        assert (config.corpus.segmentation, config.corpus.keep_identical, config.corpus.held_out) == ("words", False, 0)
        assert config.align.lowercase is True

    def test_options_go_before_what_follows_from_the_format(self) -> None:
        """And overrides before options."""
        config = config_of(
            *PIPES, "--lowercase", "--segmentation", "words", "--num-shards", "3", "--symmetrization", "union",
            "--output", "a: b", "align.iterations=8", "align.num_shards=4", "corpus.held_out=7",
        )  # fmt: skip
        assert (config.align.lowercase, config.corpus.segmentation) == (True, "words")
        assert (config.align.iterations, config.align.num_shards, config.corpus.held_out) == (8, 4, 7)
        assert (config.encode.symmetrization, config.output.dir) == ("union", absolute("a: b"))

    def test_columns(self) -> None:
        source = config_of(*TSV, "--source-column", "2", "--target-column", "0").corpus.sources[0]
        assert isinstance(source, TsvSource)
        assert (source.source_column, source.target_column) == (2, 0)
        named = ["--source-column", "2", "--target-column", "right"]
        for name in ("csv", "jsonl", "parquet", "datasets"):
            source = config_of("--input", "t", "--format", name, *LANGUAGES, *named).corpus.sources[0]
            assert isinstance(source, NamedColumns)
            assert (source.format, source.source_column, source.target_column) == (name, "2", "right")

    @pytest.mark.parametrize("name", ["pipes", "tsv", "csv", "jsonl", "parquet", "opus", "tmx", "xliff", "gettext"])
    def test_several_files(self, name: str) -> None:
        source = config_of("--input", "a", "s3://b/c", "--format", name, *LANGUAGES).corpus.sources[0]
        assert source.path == [absolute("a"), "s3://b/c"]
        assert config_of("--input", "a*", "--format", name, *LANGUAGES).corpus.sources[0].path == absolute("a*")

    def test_an_archive_of_opus(self) -> None:
        source = config_of("--input", "de-en.txt.zip", "--format", "moses", *LANGUAGES).corpus.sources[0]
        assert (source.format, source.path) == ("opus", absolute("de-en.txt.zip"))

    @pytest.mark.parametrize(("option", "header"), [([], None), (["--header"], True), (["--no-header"], False)])
    def test_a_heading(self, option: list[str], header: bool | None) -> None:
        source = config_of(*TSV, *option).corpus.sources[0]
        assert isinstance(source, TsvSource)
        assert source.header is header

    @pytest.mark.parametrize("option", ["--header", "--no-header"])
    def test_a_heading_of_what_has_none(self, tmp_path: Path, option: str) -> None:
        moses = ["--input", "a", "b", "--format", "moses", *LANGUAGES]
        for arguments in (PIPES, moses, ["--input", "t", "--format", "parquet", *LANGUAGES]):
            with pytest.raises(
                UserError, match=r"^--header: (pipes|moses|parquet) has no heading; tsv may have one\.$"
            ):
                config_of(*arguments, option)
        with pytest.raises(UserError, match=r"^--config names the sources; leave out --header\.$"):
            config_of("--config", "bundled", option)

    def test_columns_of_what_has_none(self) -> None:
        with pytest.raises(UserError, match="--target-column: moses has no columns"):
            config_of("--input", "a", "b", "--format", "moses", *LANGUAGES, "--target-column", "1")

    @pytest.mark.parametrize("ending", ["", ".gz", ".zst", ".xz", ".bz2"])
    def test_moses_by_prefix(self, tmp_path: Path, ending: str) -> None:
        files = [tmp_path / f"text.{code}{ending}" for code in ("en", "de")]
        for file in files:
            file.touch()
        source = config_of("--input", str(tmp_path / "text"), "--format", "moses", *LANGUAGES).corpus.sources[0]
        assert isinstance(source, MosesSource)
        assert [source.source, source.target] == [str(file) for file in files]

    def test_moses_by_two_files(self) -> None:
        source = config_of("--input", "a", "b", "--format", "moses", *LANGUAGES).corpus.sources[0]
        assert isinstance(source, MosesSource)
        assert (source.source, source.target) == (absolute("a"), absolute("b"))

    def test_given_links(self) -> None:
        config = config_of(*PIPES, "--aligner", "pharaoh", "--links", "given")
        assert (config.align.aligner, config.corpus.sources[0].links) == ("pharaoh", absolute("given"))

    def test_a_configuration(self) -> None:
        config = config_of("--config", "bundled", "--aligner", "eflomal", "--output", "here", "corpus.held_out=5")
        assert len(config.corpus.sources) == 5
        assert (config.align.aligner, config.output.dir, config.corpus.held_out) == ("eflomal", absolute("here"), 5)
        assert config.encode.symmetrization == "intersect"


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "--input is missing; see --help"),
            (["--input", "text", *LANGUAGES], "--format is missing"),
            (["--input", "text", "--format", "pipes", "--target-lang", "de"], "--source-lang is missing"),
            (["--input", "text", "--format", "pipes", "--source-lang", "de"], "--target-lang is missing"),
            (["--config", "bundled", "--input", "text"], "--config names the sources; leave out --input"),
            (["--config", "bundled", "--source-lang", "en"], "--config names the sources; leave out --source-lang"),
            (["--config", "bundled", "--links", "given"], "--config names the sources; leave out --links"),
            (["--config", "nowhere"], "--config nowhere: neither a file nor one of the shipped"),
            (["--input", "a", "b", "--format", "datasets", *LANGUAGES], "takes one folder or name, and 2 are named"),
            (["--input", "a", "b", "c", "--format", "moses", *LANGUAGES], "two files or a prefix, and 3 are named"),
            (
                ["--input", "nowhere", "--format", "moses", *LANGUAGES],
                r"there are no files nowhere\.en and nowhere\.de",
            ),
            ([*PIPES, "--source-column", "0"], "--source-column: pipes has no columns"),
            ([*TSV, "--target-column", "right"], "--target-column right: columns of tsv are counted from 0"),
            ([*TSV, "--target-column", "-1"], "--target-column -1: columns of tsv are counted from 0"),
            ([*PIPES, "--num-shards", "0"], "align.num_shards"),
            ([*PIPES, "align.iterationz=3"], "align.iterationz"),
            ([*PIPES, "--model", "nowhere"], "align.model=nowhere: there is no model"),
            (["--input", "a", "--format", "pipes", "--source-lang", "de", "--target-lang", "de"], "has two languages"),
        ],
    )
    def test_arguments(self, arguments: list[str], message: str) -> None:
        with pytest.raises(UserError, match=message):
            config_of(*arguments)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--gold-one-based"], r"gold_one_based and gold_lines say how to read the file of gold \(--gold\)"),
            (["--gold-lines", "-5:"], r"say how to read the file of gold \(--gold\); name one"),
            (["--picture", "3", "--picture", "0"], r"pictures \(--picture\) 0: lines are counted from 1"),
        ],
    )
    def test_wishes(self, arguments: list[str], message: str) -> None:
        with pytest.raises(UserError, match=message):
            wishes_of(*arguments)


class TestWishes:
    def test_none(self) -> None:
        assert wishes_of() == AlignJobSection()

    def test_all(self, tmp_path: Path) -> None:
        gold = tmp_path / "gold"
        gold.touch()
        arguments = ["--gold", str(gold), "--gold-lines", "-5:", "--gold-one-based", "--scores", "--picture", "2"]
        expected = AlignJobSection(scores=True, pictures=[2], gold=str(gold), gold_one_based=True, gold_lines="-5:")
        assert wishes_of(*arguments) == expected
        keys = [f"align_job.gold={gold}", "align_job.gold_lines='-5:'", "align_job.gold_one_based=true"]
        assert wishes_of(*keys, "align_job.scores=true", "align_job.pictures=[2]") == expected

    def test_no_part_of_a_run(self, tmp_path: Path) -> None:
        """What the job leaves besides links changes neither fingerprints nor the parameters of runs."""
        plain, more = config_of(*PIPES), config_of(*PIPES, "--scores", "--picture", "2")
        assert more.result_settings() == plain.result_settings()
        assert more.parameters() == plain.parameters()

    def test_gold_that_is_not_there(self) -> None:
        with pytest.raises(UserError, match=r"--gold: there is no file '.*/nowhere'"):
            Alignment.of(config_of(*PIPES, "--gold", "nowhere", "--output", "here"), Path())


class TestModel:
    """Words are made as those of the model were, unless an option says otherwise, which is refused later."""

    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        manifest = {
            "format_version": 1,
            "aligner": "fast_align",
            "segmentation": "words",
            "lowercase": True,
            "files": [],
            "info": {},
        }
        (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return tmp_path

    def test_settings_of_the_model(self, model: Path) -> None:
        config = config_of(*PIPES, "--model", str(model))
        assert (config.align.lowercase, config.corpus.segmentation) == (True, "words")
        assert (config.corpus.keep_identical, config.align.model) == (True, str(model))

    def test_options_remain(self, model: Path) -> None:
        config = config_of(*PIPES, "--model", str(model), "--no-lowercase", "--segmentation", "whitespace")
        assert (config.align.lowercase, config.corpus.segmentation) == (False, "whitespace")
