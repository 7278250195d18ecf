"""Tab-separated text: the width of lines, headings, and what is rejected for them."""

import gzip
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.pairs import Pair, read, refusal
from weam_ray.corpus.readers import base, num_headings
from weam_ray.corpus.readers.base import COLUMNS, SEPARATOR
from weam_ray.settings.sources import TsvSource

LANGUAGES = {"source_lang": "en", "target_lang": "de"}


def tsv(folder: Path, data: bytes | str, name: str = "text.tsv", **changes: object) -> TsvSource:
    file = folder / name
    data = data.encode() if isinstance(data, str) else data
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return TsvSource.model_validate({"format": "tsv", "path": str(file), **LANGUAGES, **changes})


def sides(source: TsvSource) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in read(source)]


def test_quotes_are_text(tmp_path: Path) -> None:
    assert read(tsv(tmp_path, 'a "b\tc\n\td\n"e"\t"f')) == [
        Pair("1", 'a "b', "c"),
        Pair("2", "", "d"),
        Pair("3", '"e"', '"f'),
    ]


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    source = tsv(tmp_path, b"a\tb\nc\t\xe4\n")
    assert f"{source.path}, line 2: byte 3 of the line, 0xe4" in refusal(source)


class TestWidth:
    def test_a_tab_inside_a_field(self, tmp_path: Path) -> None:
        """Whichever side it is in, the pair is rejected; and so is one that lacks a side, but for blank lines."""
        lines = ["a\tb", "c\td\te", "f\tg", "h", "", " ", "\t", "i\tj\tk\tl", "\tm", "n\to"]
        assert read(tsv(tmp_path, "\r\n".join(lines))) == [
            Pair("1", "a", "b"),
            Pair("2", "c", "d", SEPARATOR),
            Pair("3", "f", "g"),
            Pair("4", "h", "", COLUMNS),
            Pair("5", "", ""),
            Pair("6", "", ""),
            Pair("7", "", ""),
            Pair("8", "i", "j", SEPARATOR),
            Pair("9", "", "m"),
            Pair("10", "n", "o"),
        ]

    def test_files_of_more_columns(self, tmp_path: Path) -> None:
        lines = ["1\ta\tx\ty\tb\tz", "2\tc\tx\ty\td\tz", "3\te\te\tx\ty\tf\tz", "4\tg\tx\ty\th"]
        source = tsv(tmp_path, "\n".join(lines), source_column=1, target_column=4)
        assert [pair.problem for pair in read(source)] == [None, None, SEPARATOR, COLUMNS]
        assert sides(source)[:2] == [("a", "b"), ("c", "d")]
        assert sides(tsv(tmp_path, "a\tb\tc\n" * 3)) == [("a", "b")] * 3

    def test_the_first_line_may_be_the_odd_one(self, tmp_path: Path) -> None:
        source = tsv(tmp_path, "a\tb\tc\n" + "d\te\n" * 9)
        assert [pair.problem for pair in read(source)] == [SEPARATOR, *[None] * 9]

    def test_lines_without_the_columns_do_not_count(self, tmp_path: Path) -> None:
        source = tsv(tmp_path, "# document\n" * 5 + "a\tb\n")
        assert [pair.problem for pair in read(source)] == [*[COLUMNS] * 5, None]

    def test_the_fewest_columns_on_ties(self, tmp_path: Path) -> None:
        source = tsv(tmp_path, "a\tb\tc\nd\te\n")
        assert [pair.problem for pair in read(source)] == [SEPARATOR, None]

    @pytest.mark.parametrize("columns", [(0, 2), (5, 0)])
    def test_no_line_has_the_columns(self, tmp_path: Path, columns: tuple[int, int]) -> None:
        source = tsv(tmp_path, "a\tb\n\nc\n", source_column=columns[0], target_column=columns[1])
        assert refusal(source) == (
            f"{source.path}: no line has more than 2 tab-separated columns, but columns {columns[0]} and {columns[1]} "
            "(counted from 0) are asked for."
        )

    @pytest.mark.parametrize("data", ["", "\n", "\n \n", "en\tde", "en\tde\n\n"])
    def test_files_without_pairs(self, tmp_path: Path, data: str) -> None:
        assert all(pair == Pair(pair.pair_id, "", "") for pair in read(tsv(tmp_path, data)))

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(widths=st.lists(st.integers(0, 4), max_size=12), size=st.integers(1, 40))
    def test_rows_of_any_blocks(self, tmp_path: Path, widths: list[int], size: int) -> None:
        """A row for every line, whatever is read at once, and none is kept that has another width than most."""
        lines = ["\t".join(f"{number}.{column}" for column in range(own)) for number, own in enumerate(widths)]
        source = tsv(tmp_path, "".join(f"{line}\n" for line in lines))
        having = [own for own in widths if own >= 2]
        with patch.object(base, "BLOCK_BYTES", size):
            if not having and any(widths):
                assert "no line has more than 1" in refusal(source)
                return
            found = read(source)
        width = min(having, key=lambda own: (-having.count(own), own), default=2)
        expected = [None if own in (0, width) else SEPARATOR if own > width else COLUMNS for own in widths]
        assert [pair.problem for pair in found] == expected
        assert [pair.pair_id for pair in found] == [str(number + 1) for number in range(len(widths))]
        kept = [(pair.source, pair.target) for pair, own in zip(found, widths, strict=True) if own == width]
        assert kept == [(f"{n}.0", f"{n}.1") for n, own in enumerate(widths) if own == width]


class TestHeading:
    @pytest.mark.parametrize("name", ["text.tsv", "text.tsv.gz"])
    @pytest.mark.parametrize(
        "heading",
        [
            *("source\ttarget", " Source \tTARGET", "en\tde", "EN\tDE", "src\ttgt", "sentence1\tsentence2"),
            *("text_en\tde-text", "source (en)\ttarget (de)", "English\tGerman", "eng\tDeutsch", "source_text\tde"),
            *(
                "en-US\tde-DE",
                "en_XX\tde_DE",
                "eng_Latn\tdeu_Latn",
                '"en"\t"de"',
                "#en\tde",
                "British English\tger",
                "Englisch\tDeutsch",
            ),
        ],
    )
    def test_names_of_the_columns(self, tmp_path: Path, heading: str, name: str) -> None:
        source = tsv(tmp_path, f"\ufeff{heading}\r\na\tb\r\n", name)
        assert (num_headings(source), read(source)) == (1, [Pair("2", "a", "b")])

    @pytest.mark.parametrize(
        "line",
        [
            "a\tb",
            "en\tNein",
            "Source\tQuelle",
            "text\ttext",
            "\t",
            "en fin\tde",
            "en\tfr",
            "English language class\tDeutsch",
        ],
    )
    def test_text_is_no_heading(self, tmp_path: Path, line: str) -> None:
        source = tsv(tmp_path, f"{line}\nc\td\n")
        assert (num_headings(source), len(read(source))) == (0, 2)

    def test_only_the_first_line(self, tmp_path: Path) -> None:
        assert sides(tsv(tmp_path, "en\tde\nen\tde\n")) == [("en", "de")]

    def test_of_a_region(self, tmp_path: Path) -> None:
        languages = {"source_lang": "pt-BR", "target_lang": "zh_Hans"}
        for heading in ("pt-BR\tzh_Hans", "pt\tzh", "Portuguese\t\u4e2d\u6587"):
            assert num_headings(tsv(tmp_path, f"{heading}\na\tb\n", **languages)) == 1

    @pytest.mark.parametrize(
        ("language", "name"),
        [
            *(
                ("ceb", "Cebuano"),
                ("am", "Amharic"),
                ("am", "\u12a0\u121b\u122d\u129b"),
                ("ig", "Igbo"),
                ("mi", "maori"),
            ),
            *(("grc", "Ancient Greek"), ("tl", "Filipino"), ("fil", "Tagalog"), ("fil", "fil"), ("ilo", "ilo")),
            *(
                ("zh", "Chinese (Simplified)"),
                ("zh-Hans", "zho_Hans"),
                ("pt-BR", "Brazilian Portuguese"),
                ("fa", "Farsi"),
            ),
            *(
                ("xh", "Xhosa"),
                ("zu", "Zulu"),
                ("mt", "Maltese"),
                ("vi", "Ti\u1ebfng Vi\u1ec7t"),
                ("ht", "Haitian Creole"),
            ),
        ],
    )
    def test_what_languages_are_called(self, tmp_path: Path, language: str, name: str) -> None:
        assert num_headings(tsv(tmp_path, f"English\t{name}\na\tb\n", target_lang=language)) == 1

    def test_in_other_columns(self, tmp_path: Path) -> None:
        data = "id\tde\ten\n7\tja\tyes\n8\tnein\tno\tmore\n"
        source = tsv(tmp_path, data, source_column=2, target_column=1)
        assert read(source) == [Pair("2", "yes", "ja"), Pair("3", "no", "nein", SEPARATOR)]

    def test_what_is_said_counts(self, tmp_path: Path) -> None:
        assert sides(tsv(tmp_path, "en\tde\na\tb\n", header=False)) == [("en", "de"), ("a", "b")]
        assert sides(tsv(tmp_path, "x\ty\na\tb\n", header=True)) == [("a", "b")]
        assert sides(tsv(tmp_path, "# made by hand\na\tb\n", header=True)) == [("a", "b")]
        assert sides(tsv(tmp_path, "", header=True)) == []

    def test_it_says_how_many_columns_there_are(self, tmp_path: Path) -> None:
        source = tsv(tmp_path, "en\tde\na\tb\tc\nd\te\tf\ng\th\n")
        assert [pair.problem for pair in read(source)] == [SEPARATOR, SEPARATOR, None]

    def test_a_heading_of_other_columns_than_all_lines(self, tmp_path: Path) -> None:
        """As programs leave it that write the numbers of rows without a name for them: the columns are shifted."""
        data = "en\tde\n1\ta\tb\n2\tc\td\n"
        source = tsv(tmp_path, data)
        assert f"{source.path}: line 1 is a heading of 2 tab-separated columns, but most lines have 3" in refusal(
            source
        )
        assert sides(tsv(tmp_path, data, header=True)) == [("1", "a"), ("2", "c")]

    @pytest.mark.parametrize("heading", ["de\ten", "German\tEnglish", "text_de\ttext_en", "target\tsource"])
    def test_the_languages_the_other_way_round(self, tmp_path: Path, heading: str) -> None:
        source = tsv(tmp_path, f"{heading}\nja\tyes\n")
        cells = heading.split("\t")
        assert refusal(source).startswith(f"{source.path}, line 1: the heading calls column 0 {cells[0]!r}")
        assert sides(tsv(tmp_path, f"{heading}\nja\tyes\n", source_column=1, target_column=0)) == [("yes", "ja")]
        assert len(read(tsv(tmp_path, f"{heading}\nja\tyes\n", header=False))) == 2


def test_the_fingerprint_knows_the_reader(tmp_path: Path) -> None:
    assert tsv(tmp_path, "").settings()["revision"] == 2
