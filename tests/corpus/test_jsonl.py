"""JSON lines: keys, keys inside of others, and lines that are no objects."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.forms import source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.settings.sources import Source


def jsonl(folder: Path, *rows: str | dict[str, Any], **settings: object) -> Source:
    file = folder / "text.jsonl"
    texts = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_bytes("".join(f"{text}\n" for text in texts).encode())
    return source_of("jsonl", path=str(file), **settings)


@pytest.mark.parametrize(
    ("row", "settings"),
    [
        ({"source": "a", "target": "b"}, {}),
        ({"id": 7, "en": "a", "de": "b"}, {}),
        ({"en_US": "a", "DE": "b"}, {}),
        ({"translation": {"de": "b", "fr": "c", "en": "a"}}, {}),
        ({"x": {"y": {"z": "a"}}, "w": "b"}, {"source_column": "x.y.z", "target_column": "w"}),
        ({"x.y": "a", "w": "b"}, {"source_column": "x.y", "target_column": "w"}),
    ],
)
def test_keys(tmp_path: Path, row: dict[str, Any], settings: dict[str, str]) -> None:
    assert read(jsonl(tmp_path, row, **settings)) == [Pair("1", "a", "b")]


def test_names_of_pairs(tmp_path: Path) -> None:
    rows = [{"source": "a", "target": "b", "id": name} for name in ("x", 7, None)]
    assert [pair.pair_id for pair in read(jsonl(tmp_path, *rows, id_column="id"))] == ["x", "7", "3"]


def test_bad_lines_among_good_ones(tmp_path: Path) -> None:
    rows: list[str | dict[str, Any]] = [
        "{",
        {"source": "a", "target": "b"},
        '["a", "b"]',
        {"source": "c"},
        {"source": "d", "target": 5},
        {"source": "e", "target": None},
        "",
        '{"source": "f", "target": "g"} {"source": "h"}',
        '{"source": "\\ud800i", "target": "\\u0000"}',
        '{"source": "one\u2028line\x85", "target": "\\n\\ud83d\\ude00"}',
        "[" * 100_000,
        "9" * 10_000,
        f'{{"source": "{"x" * 2_000_000}", "target": "y"}}',
        {"source": "last", "target": "good"},
    ]
    found = read(jsonl(tmp_path, *rows))
    assert [(pair.pair_id, pair.problem) for pair in found if pair.problem] == [
        ("1", "json"),
        ("3", "json"),
        ("4", "columns"),
        ("5", "columns"),
        ("8", "json"),
        ("9", "surrogate"),
        ("11", "json"),
        ("12", "json"),
        ("13", "too_long"),
    ]
    assert [pair for pair in found if not pair.problem] == [
        Pair("2", "a", "b"),
        Pair("6", "e", ""),
        Pair("7", "", ""),
        Pair("10", "one\u2028line\x85", "\n\U0001f600"),
        Pair("14", "last", "good"),
    ]
    assert (found[8].source, found[8].target) == ("\ufffdi", "\0")
    assert len(found) == len(rows)


def test_no_line_has_the_keys(tmp_path: Path) -> None:
    source = jsonl(tmp_path, "{", {"left": "a", "inner": {"fr": "b"}})
    assert refusal(source) == (
        f"{source.path}: no line has texts under the keys source and target; the first object has left, inner.fr."
    )
    named = jsonl(tmp_path, {"a": "b"}, source_column="a.c", target_column="d")
    assert "under the keys a.c and d; the first object has a." in refusal(named)


def test_nothing(tmp_path: Path) -> None:
    assert read(jsonl(tmp_path)) == []


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    source = jsonl(tmp_path, {"source": "a", "target": "b"})
    with Path(source.path).open("ab") as file:
        file.write(b'{"source": "\xe9"}\n')
    assert f"{source.path}, line 2: byte 13 of the line, 0xe9, is not UTF-8" in refusal(source)
