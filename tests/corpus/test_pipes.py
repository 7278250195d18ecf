"""Lines of both sides: where they are cut, and what has more than one separator."""

import gzip
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import Pair, read
from weam_ray.corpus.readers.base import GLUED_SEPARATOR, SEPARATOR
from weam_ray.corpus.readers.pipes import split_sides
from weam_ray.errors import UserError
from weam_ray.settings.sources import PipesSource


def pipes(folder: Path, data: bytes, suffix: str = "") -> PipesSource:
    file = folder / f"text.txt{suffix}"
    file.write_bytes(gzip.compress(data) if suffix else data)
    return PipesSource(format="pipes", path=str(file), source_lang="en", target_lang="de")


@pytest.mark.parametrize(
    ("line", "source", "target", "problem"),
    [
        ("a b ||| c d", "a b", "c d", None),
        ("  a  b  |||  c d ", "  a  b", "c d ", None),  # outer space is text
        ("a\tb", "a", "b", None),
        ("a \t b", "a", "b", None),
        ("a b", "a b", "", None),
        ("", "", "", None),
        ("|||", "", "", None),
        ("\t", "", "", None),
        ("||| b", "", "b", None),
        ("a |||", "a", "", None),
        ("a||| b", "a||| b", "", GLUED_SEPARATOR),
        ("a|||b", "a|||b", "", GLUED_SEPARATOR),
        ("a |||b", "a |||b", "", GLUED_SEPARATOR),
        ("a |||| b", "a |||| b", "", GLUED_SEPARATOR),
        ("a|||b\tc", "a|||b", "c", None),
        ("a || | b", "a || | b", "", None),
        ("a\u00a0|||\u00a0b ||| c", "a\u00a0|||\u00a0b", "c", None),  # one word: U+00A0 parts none
        ("a ||| b ||| c", "a", "b ||| c", SEPARATOR),
        ("a ||| ||| c", "a", "||| c", SEPARATOR),
        ("a\tb\tc", "a", "b\tc", SEPARATOR),
        ("a\tb ||| c", "a", "b ||| c", SEPARATOR),
        ("a |||\tc", "a", "\tc", SEPARATOR),
        ("a\t||| c", "a", "||| c", SEPARATOR),
        ("شمس ||| 太阳 𝄞", "شمس", "太阳 𝄞", None),
    ],
)
def test_sides(tmp_path: Path, line: str, source: str, target: str, problem: str | None) -> None:
    data = f"first ||| erste\n{line}\r\nlast ||| letzte\n".encode()
    assert read(pipes(tmp_path, data)) == [
        Pair("1", "first", "erste"),
        Pair("2", source, target, problem),
        Pair("3", "last", "letzte"),
    ]


def test_gzip_and_mistakes(tmp_path: Path) -> None:
    assert read(pipes(tmp_path, b"\xef\xbb\xbfa ||| b", ".gz")) == [Pair("1", "a", "b")]
    source = pipes(tmp_path, b"a ||| b\nc ||| \xff\n", ".gz")
    with pytest.raises(UserError) as caught:
        read(source)
    assert str(caught.value).startswith(f"{source.path}, line 2: byte 7 of the line, 0xff, is not UTF-8")
    assert read(pipes(tmp_path, b"")) == []


LINES = st.lists(st.lists(st.sampled_from([" ", " ", "\t", "|", "||", "|||", "a", "é", "\u00a0"])).map("".join))


def by_words(line: str) -> tuple[str, str, str | None]:
    """The sides by the words of a line, as the format is described."""
    separators = [match.span() for match in re.finditer(r"\t|(?<![^ \t])\|\|\|(?![^ \t])", line)]
    if not separators:
        return line.rstrip(" "), "", GLUED_SEPARATOR if "|||" in line else None
    start, end = separators[0]
    return line[:start].rstrip(" "), line[end:].lstrip(" "), SEPARATOR if len(separators) > 1 else None


@given(LINES, st.integers(0, 3))
def test_sides_of_any_lines(lines: list[str], skipped: int) -> None:
    sides = split_sides(pa.array(lines, pa.string()).slice(skipped))
    found = list(zip(*(column.to_pylist() for column in sides), strict=True))
    assert found == [by_words(line) for line in lines[skipped:]]
