"""Files of text under any name, packed or not; what is no text, or no lines, is refused with what it is."""

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest

from weam_ray.corpus.readers import base
from weam_ray.corpus.readers.base import read_lines
from weam_ray.errors import UserError
from weam_ray.store.text import read_text

LINES = [f"line {number * 7919 % 10007}\tzeile" for number in range(4_000)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


def old_lzma(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


def zstd(data: bytes) -> bytes:
    """Two frames, as several threads write them, and one that holds none of the text."""
    half = len(data) // 2
    pieces = [pa.compress(piece, codec="zstd", asbytes=True) for piece in (data[:half], data[half:])]
    return pieces[0] + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + pieces[1]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "lzma": old_lzma,
    "bzip2": bz2.compress,
}


def written(folder: Path, data: bytes, name: str = "text") -> Path:
    file = folder / name
    file.write_bytes(data)
    return file


def lines_of(file: Path) -> list[str]:
    return [line for block in read_lines(file) for line in block["text"].to_pylist()]


def refusal(file: Path) -> str:
    """What reading lines and reading the whole say."""
    with pytest.raises(UserError) as lines:
        lines_of(file)
    with pytest.raises(UserError) as whole:
        read_text(file)
    assert str(whole.value).startswith(str(file))
    assert str(lines.value).split(": ")[1:] == str(whole.value).split(": ")[1:]
    return str(lines.value)


def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "some text")
    return data.getvalue()


def tarred() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("text.en"), io.BytesIO())
    return data.getvalue()


@pytest.mark.parametrize("name", ["text", "text.gz", "text.xz", "text.zst", "text.bz2", "text.zip", "text.tsv"])
@pytest.mark.parametrize("packer", PACKERS)
def test_packed_under_any_name(tmp_path: Path, packer: str, name: str) -> None:
    file = written(tmp_path, PACKERS[packer](TEXT), name)
    assert lines_of(file) == LINES
    assert read_text(file) == TEXT.decode()


@pytest.mark.parametrize("packer", PACKERS)
def test_nothing_packed(tmp_path: Path, packer: str) -> None:
    assert lines_of(written(tmp_path, PACKERS[packer](b""))) == []
    assert lines_of(written(tmp_path, b"", "text.xz")) == []


@pytest.mark.parametrize("packer", PACKERS)
def test_damaged(tmp_path: Path, packer: str) -> None:
    data = PACKERS[packer](TEXT)
    middle = len(data) // 2
    for damaged in (
        data[:-40],
        data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 99]) + data[middle + 99 :],
    ):
        assert f"not a whole {packer} file (" in refusal(written(tmp_path, damaged))


@pytest.mark.parametrize(("suffix", "kind"), [(".gz", "gzip"), (".xz", "xz"), (".zst", "zstd"), (".bz2", "bzip2")])
def test_text_that_is_called_packed(tmp_path: Path, suffix: str, kind: str) -> None:
    file = written(tmp_path, TEXT, f"text{suffix}")
    assert refusal(file) == f"{file}: not a whole {kind} file, though its name ends in {suffix}."


@pytest.mark.parametrize("name", ["text.zip", "text.gz", "text"])
def test_zip(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, zipped("a.en", "a.de", "LICENSE"), name)
    assert refusal(file) == (
        f"{file}: this is a zip archive with a.en, a.de, LICENSE; unpack it and name the files in it: unzip {file}."
    )
    many = refusal(written(tmp_path, zipped(*map(str, range(9))), name))
    assert "a zip archive with 0, 1, 2, 3, 4 and 4 more;" in many
    assert "a damaged zip archive; get it anew" in refusal(written(tmp_path, zipped("a")[:40], name))
    assert "an Office document; save it as plain text" in refusal(written(tmp_path, zipped("word/document.xml"), name))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (tarred(), "a tar archive; unpack it (tar -xf "),
        (b"\x04\x22\x4d\x18\x64", "a file packed by lz4; unpack it: lz4 -d "),
        (b"%PDF-1.7\n%", "a PDF document; extract its text: pdftotext "),
        (b"PAR1\x15\x04PAR1", "a Parquet file; read it with the format `parquet`"),
        (b"{\\rtf1\\ansi", "an RTF document; "),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive; "),
        (b"SQLite format 3\x00", "an SQLite database; "),
        (TEXT.decode().encode("utf-16"), "text in UTF-16; convert it to UTF-8: iconv -f UTF-16 -t UTF-8 "),
        (b"\xfe\xff" + TEXT.decode().encode("utf-16-be"), "text in UTF-16; "),
        (TEXT.decode().encode("utf-16-le"), "text in UTF-16; convert it to UTF-8: iconv -f UTF-16LE "),
        (TEXT.decode().encode("utf-16-be"), "text in UTF-16; convert it to UTF-8: iconv -f UTF-16BE "),
        (TEXT.decode().encode("utf-32"), "text in UTF-32; convert it to UTF-8: iconv -f UTF-32 "),
    ],
)
def test_what_is_no_text(tmp_path: Path, data: bytes, what: str) -> None:
    assert f": this is {what}" in refusal(written(tmp_path, data))
    inside = refusal(written(tmp_path, gzip.compress(data)))
    kind, _, remedy = what.partition("; ")
    assert f": what is packed by gzip here is {kind}; unpack it by gzip, then {remedy}" in inside


def test_packed_twice(tmp_path: Path) -> None:
    assert "packed once more" in refusal(written(tmp_path, gzip.compress(lzma.compress(TEXT))))


def test_text_with_some_of_these_bytes(tmp_path: Path) -> None:
    for text in ("BZh is no bzip2", "PK", "7z and Rar", "a\0b\0c d e f g", "]", "the {\\rtf of it"):
        assert lines_of(written(tmp_path, text.encode())) == [text]


class TestLineEnds:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    @pytest.mark.parametrize("end", [b"", b"\r", b"\n", b"\r\n"])
    def test_carriage_returns_alone(self, tmp_path: Path, pack: Callable[[bytes], bytes], end: bytes) -> None:
        file = written(tmp_path, pack(TEXT.rstrip().replace(b"\n", b"\r") + end))
        assert ": the lines end in carriage returns alone, as on old Macs" in refusal(file)
        assert rf"tr '\r' '\n' < {file} > NEW" in refusal(file)

    def test_the_remedy(self, tmp_path: Path) -> None:
        file = written(tmp_path, TEXT.replace(b"\n", b"\r"), "a file")
        command = refusal(file).partition("convert it: ")[2].removesuffix(".").replace("NEW", "new")
        assert shutil.which("tr")
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
        assert lines_of(tmp_path / "new") == LINES

    def test_some_carriage_returns_are_text(self, tmp_path: Path) -> None:
        for text, lines in {"a\rb\nc": ["a\rb", "c"], "a\r": ["a"], "a\r\nb\r": ["a", "b"], "a\r\r\n": ["a\r"]}.items():
            file = written(tmp_path, text.encode())
            assert lines_of(file) == lines
            assert read_text(file) == text

    def test_a_file_of_one_line_without_end(self, tmp_path: Path) -> None:
        """It is not taken into memory whole."""
        file = written(tmp_path, b"a\nb\n" + b"c" * 500)
        with patch.object(base, "BLOCK_BYTES", 64), patch.object(base, "LONGEST_LINE", 300):
            with pytest.raises(
                UserError, match=r"text, after line 2: a line of more than 300 bytes; is this a file of lines\?"
            ):
                lines_of(file)
            written(tmp_path, b"c\r" * 500)
            with pytest.raises(UserError, match="carriage returns alone"):
                lines_of(file)
            assert lines_of(written(tmp_path, b"c\n" * 500)) == ["c"] * 500
