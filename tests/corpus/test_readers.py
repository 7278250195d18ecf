"""Readers: the pairs of every format, and the messages for damaged files."""

import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.pairs import Pair, read, refusal
from weam_ray.corpus.readers import base, raw_pairs
from weam_ray.corpus.readers.bundled import BUNDLED_FILE
from weam_ray.settings.sources import BundledSource, MosesSource, ParquetSource, TsvSource

LANGUAGES = {"source_lang": "en", "target_lang": "de"}
TRANSLATIONS = {
    "en": "World English Bible",
    "de": "Elberfelder",
    "es": "Reina-Valera",
    "fr": "Louis Segond",
    "ru": "Synodal",
    "tl": "Ang Dating Biblia",
}


def moses(folder: Path, source: bytes, target: bytes, suffix: str = "") -> MosesSource:
    files = []
    for name, data in (("text.en", source), ("text.de", target)):
        files.append(folder / f"{name}{suffix}")
        files[-1].write_bytes(gzip.compress(data) if suffix == ".gz" else data)
    return MosesSource(format="moses", source=str(files[0]), target=str(files[1]), **LANGUAGES)


def tsv(folder: Path, data: bytes, **settings: object) -> TsvSource:
    file = folder / "text.tsv"
    file.write_bytes(data)
    return TsvSource.model_validate({"format": "tsv", "path": str(file), **LANGUAGES, **settings})


def parquet(folder: Path, table: pa.Table, **settings: object) -> ParquetSource:
    file = folder / "text.parquet"
    pq.write_table(table, file)
    return ParquetSource.model_validate({"format": "parquet", "path": str(file), **LANGUAGES, **settings})


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        (b"one\ntwo\n", b"eins\nzwei\n"),
        (b"one\ntwo", b"eins\nzwei\n"),
        (b"one\r\ntwo\r\n", b"eins\nzwei\n"),
        (b"\xef\xbb\xbfone\ntwo\n", b"\xef\xbb\xbfeins\r\nzwei"),
    ],
)
def test_moses(tmp_path: Path, suffix: str, source: bytes, target: bytes) -> None:
    pairs = read(moses(tmp_path, source, target, suffix))
    assert pairs == [Pair("1", "one", "eins"), Pair("2", "two", "zwei")]


def test_blank_lines_are_lines(tmp_path: Path) -> None:
    pairs = read(moses(tmp_path, b"\none\n\n", b"\neins\nleer\n"))
    assert pairs == [Pair("1", "", ""), Pair("2", "one", "eins"), Pair("3", "", "leer")]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85", "\r"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, separator: str) -> None:
    line = f"one{separator}more"
    pairs = read(moses(tmp_path, f"{line}\ntwo\n".encode(), b"eins\nzwei\n"))
    assert [pair.source for pair in pairs] == [line, "two"]
    assert [pair.source for pair in read(tsv(tmp_path, f"{line}\teins\n".encode()))] == [line]


def test_byte_order_mark_is_text_further_on(tmp_path: Path) -> None:
    pairs = read(moses(tmp_path, "a\n\ufeffb\n".encode(), b"c\nd\n"))
    assert pairs[1].source == "\ufeffb"


def by_line(data: bytes) -> list[str]:
    """The lines of a file, one after another."""
    lines = data.decode().split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    return [line.removeprefix("" if k else "\ufeff").removesuffix("\r") for k, line in enumerate(lines)]


TEXTS = st.lists(st.sampled_from(["a", "é", "天", "\n", "\n", "\r", "\r\n", "\ufeff", " ", "\t"])).map("".join)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXTS, size=st.integers(1, 9))
def test_blocks_cut_no_line(tmp_path: Path, suffix: str, text: str, size: int) -> None:
    assume(len(re.findall(r"\r(?!\n|$)", text)) <= 10 * text.count("\n"))  # else the lines of a Mac
    file = tmp_path / f"text{suffix}"
    file.write_bytes(gzip.compress(text.encode()) if suffix else text.encode())
    with patch.object(base, "BLOCK_BYTES", size):
        blocks = list(base.read_lines(file))
    assert [line for block in blocks for line in block["text"].to_pylist()] == by_line(text.encode())
    assert all(len(block) for block in blocks)


def test_blocks_of_two_files_need_not_match(tmp_path: Path) -> None:
    lines = [(f"{number}", f"{number} " * (number % 7)) for number in range(200)]
    source = moses(tmp_path, *("".join(f"{line[side]}\n" for line in lines).encode() for side in (0, 1)))
    with patch.object(base, "BLOCK_BYTES", 64):
        assert len(list(raw_pairs(source))) > 10
        assert read(source) == [Pair(str(number + 1), *line) for number, line in enumerate(lines)]


def test_mistakes_name_the_line_in_any_block(tmp_path: Path) -> None:
    with patch.object(base, "BLOCK_BYTES", 8):
        message = refusal(moses(tmp_path, b"one\n" * 50 + b"\xe9\n", b"zwei\n" * 51))
        assert "text.en, line 51: byte 1 of the line, 0xe9" in message
        message = refusal(moses(tmp_path, b"one\n" * 50, b"zwei\n" * 40))
        assert "has 50 lines" in message
        assert "has 40:" in message


@pytest.mark.parametrize("data", [b"\xed\xa0\x80", b"\xed\xbf\xbf"])
def test_lone_surrogate_is_the_pair_s_problem(tmp_path: Path, data: bytes) -> None:
    expected = [Pair("1", "a", "b"), Pair("2", "c\ufffdd", "é", "surrogate"), Pair("3", "e", "f")]
    bad = b"c" + data + b"d"
    assert read(moses(tmp_path, b"a\n" + bad + b"\ne\n", "b\né\nf\n".encode())) == expected
    assert read(tsv(tmp_path, b"a\tb\n" + bad + "\té\ne\tf\n".encode())) == expected
    texts = pa.array([b"a", bad, b"e"], pa.binary()).view(pa.string())  # what nothing validates
    source = parquet(tmp_path, pa.table({"source": texts, "target": ["b", "é", "f"]}))
    assert read(source) == expected


def test_bytes_beside_a_surrogate_are_named(tmp_path: Path) -> None:
    """Cut short, or together with other bytes that are no UTF-8: the message is of the byte that is wrong."""
    assert "line 2: byte 1 of the line, 0xed" in refusal(moses(tmp_path, b"a\n\xed\xa0\n", b"b\nc\n"))
    assert "line 1: byte 4 of the line, 0xff" in refusal(moses(tmp_path, b"\xed\xa0\x80\xff\n", b"b\n"))


def test_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"caf\xe9"], pa.binary()).view(pa.string())
    source = parquet(tmp_path, pa.table({"source": ["a", "b"], "target": texts}))
    assert refusal(source).startswith(f"{source.path}, row 2: byte 4 of the row, 0xe9, is not UTF-8")


def test_empty_files_have_no_pairs(tmp_path: Path) -> None:
    assert read(moses(tmp_path, b"", b"")) == []


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("num_source", "num_target"), [(5, 3), (3, 5), (1, 0), (0, 1), (7, 8)])
def test_unequal_line_counts(tmp_path: Path, suffix: str, num_source: int, num_target: int) -> None:
    source = moses(tmp_path, b"a\n" * num_source, b"b\n" * num_target, suffix)
    message = refusal(source)
    assert f"{source.source} has {num_source} lines" in message
    assert f"{source.target} has {num_target}:" in message


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bytes_that_are_not_utf8(tmp_path: Path, suffix: str) -> None:
    source = moses(tmp_path, b"a\nb\n", b"gut\nsch\xf6n\n", suffix)
    message = refusal(source)
    assert f"{source.target}, line 2:" in message
    assert "byte 4 of the line, 0xf6" in message


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_bytes_that_are_not_utf8_in_a_surplus_line(tmp_path: Path, suffix: str) -> None:
    """Counting the surplus lines of the longer file meets the bad byte: that is the message, and no traceback."""
    message = refusal(moses(tmp_path, b"a\n", b"b\nc\n\xff\n", suffix))
    assert "line 3" in message


def test_truncated_gzip(tmp_path: Path) -> None:
    source = moses(tmp_path, b"".join(b"line %d\n" % n for n in range(2000)), b"b\n" * 2000, ".gz")
    file = Path(source.source)
    data = file.read_bytes()[:-200]
    file.write_bytes(data)
    message = refusal(source)
    num_lines = zlib.decompressobj(wbits=31).decompress(data).count(b"\n")
    assert f"{file}, after line {num_lines}:" in message
    assert "not a whole gzip file" in message


def plain_text(data: bytes) -> bytes:
    return gzip.decompress(data)


def damaged_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 60]) + data[middle + 60 :]


def damaged_checksum(data: bytes) -> bytes:
    return data[:-8] + bytes(byte ^ 0xFF for byte in data[-8:-4]) + data[-4:]


@pytest.mark.parametrize("damage", [plain_text, damaged_middle, damaged_checksum])
def test_damaged_gzip(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    source = moses(tmp_path, b"".join(b"line %d\n" % (n * 7919 % 10007) for n in range(3000)), b"b\n" * 3000, ".gz")
    file = Path(source.source)
    file.write_bytes(damage(file.read_bytes()))
    message = refusal(source)
    assert str(file) in message
    assert "gzip" in message


def test_missing_files(tmp_path: Path) -> None:
    source = moses(tmp_path, b"a\n", b"b\n")
    Path(source.target).unlink()
    assert refusal(source) == f"corpus.sources.target: there is no file {source.target!r}."
    for other in (
        TsvSource.model_validate({"format": "tsv", "path": str(tmp_path / "no.tsv"), **LANGUAGES}),
        ParquetSource(format="parquet", path=str(tmp_path), **LANGUAGES),
    ):
        assert refusal(other) == f"corpus.sources.path: there is no file {other.path!r}."


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    source = MosesSource(format="moses", source="a.en", target="~/a.de", **LANGUAGES)
    assert (source.source, source.target) == (str(tmp_path / "a.en"), str(tmp_path / "me" / "a.de"))


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"source": ["a", "b\nb"], "target": pa.array(["c", "d\td"], pa.large_string()), "other": [1, 2]})
    assert read(parquet(tmp_path, table)) == [Pair("1", "a", "c"), Pair("2", "b\nb", "d\td")]


def test_parquet_columns(tmp_path: Path) -> None:
    table = pa.table({"en": ["a", "b"], "de": ["c", "d"], "key": [70, None]})
    source = parquet(tmp_path, table, source_column="en", target_column="de", id_column="key")
    assert read(source) == [Pair("70", "a", "c"), Pair("2", "b", "d")]


def test_parquet_nulls_are_blank(tmp_path: Path) -> None:
    table = pa.table({"source": ["a", None], "target": pa.array([None, None], pa.string())})
    assert read(parquet(tmp_path, table)) == [Pair("1", "a", ""), Pair("2", "", "")]


def test_parquet_is_read_in_file_order_over_row_groups(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(1000)]
    source = parquet(tmp_path, pa.table({"source": texts, "target": texts}))
    pq.write_table(pa.table({"source": texts, "target": texts}), source.path, row_group_size=64)
    assert [(pair.pair_id, pair.source) for pair in read(source)] == [
        (str(number + 1), text) for number, text in enumerate(texts)
    ]


def test_parquet_without_the_column(tmp_path: Path) -> None:
    table = pa.table({"en": ["a"], "target": ["c"]})
    source = parquet(tmp_path, table)
    assert refusal(source) == f"{source.path}: no column 'source'; there are en, target."
    named = parquet(tmp_path, table, source_column="en", id_column="key")
    assert "no column 'key'" in refusal(named)


def test_parquet_column_without_text(tmp_path: Path) -> None:
    source = parquet(tmp_path, pa.table({"source": ["a"], "target": [1.5]}))
    assert refusal(source) == f"{source.path}: column 'target' holds double, not text."


def hub_table(kind: str = "string") -> pa.Table:
    """Pairs as data sets of the hub have them: a struct column, named by the languages."""
    texts = [{"en": "a", "de": "b"}, None, {"en": "c", "de": None}, {"en": "d", "de": "e"}]
    return pa.table({"id": [1, 2, 3, 4], "translation": pa.array(texts, pa.struct({"en": kind, "de": kind}))})


@pytest.mark.parametrize("columns", [{}, {"source_column": "translation.en", "target_column": "translation.de"}])
@pytest.mark.parametrize("kind", ["string", "large_string", "string_view"])
def test_parquet_with_a_struct_of_languages(tmp_path: Path, kind: str, columns: dict[str, str]) -> None:
    expected = [Pair("1", "a", "b"), Pair("2", "", ""), Pair("3", "c", ""), Pair("4", "d", "e")]
    assert read(parquet(tmp_path, hub_table(kind), **columns, id_column="id")) == expected


def test_parquet_with_one_field_of_a_struct(tmp_path: Path) -> None:
    table = hub_table().append_column("other.de", pa.array(["x", "y", "z", "w"]))
    source = parquet(tmp_path, table, source_column="translation.en", target_column="other.de")
    assert [(pair.source, pair.target) for pair in read(source)] == [("a", "x"), ("", "y"), ("c", "z"), ("d", "w")]


def test_parquet_with_two_columns_of_one_name(tmp_path: Path) -> None:
    columns = [pa.array([text]) for text in "abcd"]
    source = parquet(tmp_path, pa.table(columns, names=["source", "source", "target", "other"]))
    assert refusal(source) == f"{source.path}: 2 columns are called 'source'; give them other names."
    harmless = pa.table(columns, names=["source", "other", "target", "other"])
    assert [(pair.source, pair.target) for pair in read(parquet(tmp_path, harmless))] == [("a", "c")]


def test_parquet_with_another_struct(tmp_path: Path) -> None:
    source = parquet(tmp_path, hub_table(), target_lang="fr")
    there = "id, translation.en, translation.de"
    assert refusal(source) == f"{source.path}: no column 'source'; there are {there}."
    named = parquet(tmp_path, hub_table(), source_column="translation.en", target_column="translation.fr")
    assert refusal(named) == f"{named.path}: no column 'translation.fr'; there are {there}."
    two = hub_table().append_column("again", hub_table()["translation"])
    assert "no column 'source'" in refusal(parquet(tmp_path, two))
    numbers = parquet(tmp_path, pa.table({"translation": [{"en": 1, "de": 2}]}))
    assert refusal(numbers) == f"{numbers.path}: column 'translation.en' holds int64, not text."


@pytest.mark.parametrize(
    "kind",
    [
        pa.string_view(),
        pa.large_string(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_parquet_types_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    texts = pa.array(["a", None, "\u00e9", "a"])
    column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    source = parquet(tmp_path, pa.table({"source": column, "target": ["b", "c", "d", "e"]}))
    assert pq.read_schema(source.path).field("source").type == kind
    assert [pair.source for pair in read(source)] == ["a", "", "\u00e9", "a"]


@pytest.mark.parametrize("data", [b"", b"source,target\na,b\n", b"PAR1 but not for long PAR1"])
def test_not_a_parquet_file(tmp_path: Path, data: bytes) -> None:
    source = parquet(tmp_path, pa.table({"source": ["a"], "target": ["b"]}))
    Path(source.path).write_bytes(data)
    assert f"{source.path}: not a Parquet file" in refusal(source)


def test_parquet_file_with_a_damaged_page(tmp_path: Path) -> None:
    texts = [f"text {number * 7919 % 10007}" for number in range(5000)]
    source = parquet(tmp_path, pa.table({"source": texts, "target": texts}))
    data = Path(source.path).read_bytes()
    Path(source.path).write_bytes(data[:50] + bytes(byte ^ 0xFF for byte in data[50:3000]) + data[3000:])
    assert source.path in refusal(source)


@pytest.mark.parametrize("language", [language for language in TRANSLATIONS if language != "en"])
def test_bundled(language: str) -> None:
    pairs = read(BundledSource(format="bundled", source_lang="en", target_lang=language))
    assert 2_900 <= len(pairs) <= 3_100
    assert len({pair.pair_id for pair in pairs}) == len(pairs)
    assert all(pair.source.strip() and pair.target.strip() for pair in pairs)
    assert pairs[0].source.startswith("In the beginning")
    turned = read(BundledSource(format="bundled", source_lang=language, target_lang="en"))
    assert turned == [Pair(pair.pair_id, pair.target, pair.source) for pair in pairs]


def test_bundled_speaks_the_languages_it_says() -> None:
    """A word that every chapter of each translation is full of."""
    table = pq.read_table(BUNDLED_FILE)
    for language, word in {"en": "the", "de": "und", "es": "que", "fr": "les", "ru": "и", "tl": "ang"}.items():
        texts = table.column(language).to_pylist()
        assert sum(word in text.lower().split() for text in texts) > len(texts) / 4, language


@pytest.mark.parametrize("languages", [("en", "no"), ("verse", "en"), ("xx", "de")])
def test_bundled_has_no_such_language(languages: tuple[str, str]) -> None:
    source = BundledSource(format="bundled", source_lang=languages[0], target_lang=languages[1])
    unknown = next(language for language in languages if language not in TRANSLATIONS)
    there = ", ".join(TRANSLATIONS)
    assert refusal(source) == f"corpus.sources: the bundled corpus has no {unknown!r}; it has {there}."


def test_bundled_file_is_small_and_licensed() -> None:
    assert BUNDLED_FILE.stat().st_size < 2_000_000
    assert pq.read_metadata(BUNDLED_FILE).num_rows == pytest.approx(3_000, rel=0.05)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (BUNDLED_FILE.parent / "LICENSE.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    named = {row[0]: row[1] for row in rows}
    for language in pq.read_schema(BUNDLED_FILE).names[1:]:
        assert TRANSLATIONS[language] in named[language]
