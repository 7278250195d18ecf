"""CSV: named columns, quotes, and lines in which something is missing."""

import gzip
from pathlib import Path

import pytest

from tests.support.forms import source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.settings.sources import Source


def csv(folder: Path, text: str, **settings: object) -> Source:
    file = folder / "text.csv"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    return source_of("csv", path=str(file), **settings)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes(tmp_path: Path, end: str) -> None:
    rows = ["source,target", 'a,"b, c"', '"say ""no""",x', '"two', 'lines",y', "d,e"]
    assert read(csv(tmp_path, end.join(rows))) == [
        Pair("2", "a", "b, c"),
        Pair("3", 'say "no"', "x"),
        Pair("4", "two\nlines", "y"),
        Pair("6", "d", "e"),
    ]


@pytest.mark.parametrize(
    ("heading", "settings"),
    [
        ("key,source,target", {}),
        ('key,"source", target ', {}),
        ("key,en,de", {}),
        ("key,EN,de_AT", {}),
        ("key,left,right", {"source_column": "left", "target_column": "right"}),
        ("\ufeffkey,source,target", {"id_column": "key"}),
    ],
)
def test_columns_by_name(tmp_path: Path, heading: str, settings: dict[str, str]) -> None:
    name = "k" if "id_column" in settings else "2"
    assert read(csv(tmp_path, f"{heading}\nk,a,b\n", **settings)) == [Pair(name, "a", "b")]


def test_another_delimiter(tmp_path: Path) -> None:
    assert read(csv(tmp_path, 'source;target\na,b;"c;d"\n', delimiter=";")) == [Pair("2", "a,b", "c;d")]
    with pytest.raises(ValueError, match="delimiter"):
        csv(tmp_path, "", delimiter='"')


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        ("left,right", "no column 'source'; there are left, right."),
        ("source,right", "no column 'target'; there are source, right."),
        ("source,source,target", "2 columns are called 'source'; give them other names."),
        ('"source,target', "this is no heading of a CSV file (quotes)."),
    ],
)
def test_headings_without_the_columns(tmp_path: Path, heading: str, what: str) -> None:
    source = csv(tmp_path, f"{heading}\na,b\n")
    assert refusal(source) == f"{source.path}, line 1: {what}"


def test_bad_lines_among_good_ones(tmp_path: Path) -> None:
    rows = ["source,target", "a,b", "c,d,e", "f", "", "  ", '"g""h,i"j,k', "l,m", "\ud800,n", "o,\0"]
    assert read(csv(tmp_path, "\n".join(rows))) == [
        Pair("2", "a", "b"),
        Pair("3", "c", "d", "separator"),
        Pair("4", "f", "", "columns"),
        Pair("5", "", ""),
        Pair("6", "  ", ""),
        Pair("7", '"g""h,i"j,k', "", "quotes"),
        Pair("8", "l", "m"),
        Pair("9", "\ufffd", "n", "surrogate"),
        Pair("10", "o", "\0"),
    ]


@pytest.mark.parametrize("following", [1, 5, 3_000])
def test_a_missing_quote_costs_one_line(tmp_path: Path, following: int) -> None:
    """Whether another line has quotes or none, up to the end of the file."""
    rows = [f'"{number}",x' for number in range(following)]
    for others in (rows, [row.replace('"', "") for row in rows]):
        found = read(csv(tmp_path, "\n".join(["source,target", 'a,"b', *others])))
        assert found == [
            Pair("2", 'a,"b', "", "quotes"),
            *(Pair(str(number + 3), str(number), "x") for number in range(following)),
        ]


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x0c", "\r"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, separator: str) -> None:
    text = f"one{separator}more"
    expected = [Pair("2", text, "x"), Pair("3", "a", "b")]
    assert read(csv(tmp_path, f"source,target\n{text},x\na,b\n")) == expected
    assert read(csv(tmp_path, f'source,target\n"{text}",x\na,b\n')) == expected


def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    """Alone, and inside of quotes that begin on another line; a long field that is no sentence yet is read."""
    long, field = "x" * 2_000_000, "y" * 200_000
    found = read(csv(tmp_path, f'source,target\na,b\n{long},c\n"d\n"{long},e\n"{field}",f\n'))
    assert [(pair.pair_id, pair.problem) for pair in found] == [
        ("2", None),
        ("3", "too_long"),
        ("4", "quotes"),
        ("5", "too_long"),
        ("6", None),
    ]
    assert found[-1].source == field
    assert max(len(pair.source) for pair in found[:-1]) <= 1_000


def test_nothing(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "")) == []
    assert read(csv(tmp_path, "source,target\n")) == []


def test_damage(tmp_path: Path) -> None:
    source = csv(tmp_path, "")
    rows = "".join(f"{number * 7919 % 10007},x\n" for number in range(4_000))
    Path(source.path).write_bytes(gzip.compress(f"source,target\n{rows}".encode())[:-100])
    assert "text.csv, after line " in refusal(source)
    Path(source.path).write_bytes(b"source,target\na,b\nc,\xff\n")
    assert f"{source.path}, line 3: byte 3 of the line, 0xff, is not UTF-8" in refusal(source)
