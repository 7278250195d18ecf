"""OPUS's archives: the two files by their languages, and archives that are damaged or made to do harm."""

import io
import zipfile
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.forms import source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.errors import UserError
from weam_ray.settings.sources import Source
from weam_ray.store import zipped

TEXTS = {"A.de-en.de": "eins\nzwei\n", "A.de-en.en": "one\ntwo\n", "README": "about", "LICENSE": "free"}


def packed(texts: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return data.getvalue()


def opus(folder: Path, data: bytes, **languages: str) -> Source:
    file = folder / "de-en.txt.zip"
    file.write_bytes(data)
    return source_of("opus", path=str(file), **languages)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive(tmp_path: Path, method: int) -> None:
    source = opus(tmp_path, packed({**TEXTS, "A.de-en.xml": "<x/>", "A.de-en.ids": "1\t1\n"}, method))
    assert read(source) == [Pair("1", "one", "eins"), Pair("2", "two", "zwei")]
    turned = opus(tmp_path, packed(TEXTS, method), source_lang="de", target_lang="en")
    assert read(turned)[0] == Pair("1", "eins", "one")
    assert [path.name for path in tmp_path.iterdir()] == ["de-en.txt.zip"]  # nothing is unpacked


@pytest.mark.parametrize(("code", "asked"), [("pt_BR", "pt-BR"), ("pt_BR", "pt"), ("pt", "pt-PT"), ("PT", "pt")])
def test_languages_with_regions(tmp_path: Path, code: str, asked: str) -> None:
    source = opus(tmp_path, packed({f"A.en-{code}.en": "a\n", f"A.en-{code}.{code}": "b\n"}), target_lang=asked)
    assert read(source) == [Pair("1", "a", "b")]


def test_files_that_are_not_there_or_too_many(tmp_path: Path) -> None:
    assert refusal(opus(tmp_path, packed(TEXTS), target_lang="fr")) == (
        f"{tmp_path}/de-en.txt.zip: no file in it ends in .fr; there are A.de-en.de, A.de-en.en, README, LICENSE."
    )
    two = opus(tmp_path, packed({**TEXTS, "B.de-en.de": "x\n"}))
    assert "2 files in it end in .de: A.de-en.de, B.de-en.de." in refusal(two)
    assert "no file in it ends in .en; there are none." in refusal(opus(tmp_path, packed({})))
    one = opus(tmp_path, packed({"A.pt": "x\n"}), source_lang="pt-BR", target_lang="pt-PT")
    assert "A.pt: this file would be both sides" in refusal(one)


def test_unequal_line_counts(tmp_path: Path) -> None:
    message = refusal(opus(tmp_path, packed({**TEXTS, "A.de-en.de": "eins\n"})))
    assert "de-en.txt.zip, A.de-en.en has 2 lines and " in message
    assert "de-en.txt.zip, A.de-en.de has 1: line-aligned files must" in message


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    message = refusal(opus(tmp_path, packed({**TEXTS, "A.de-en.de": b"a\n\xff\n"})))
    assert "de-en.txt.zip, A.de-en.de, line 2: byte 1 of the line, 0xff, is not UTF-8" in message


@pytest.mark.parametrize(
    "name", ["../evil.de", "a/../../evil.de", "/etc/evil.de", "..\\evil.de", "C:\\evil.de", "\\\\host\\evil.de", "C:x"]
)
def test_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    data = packed({**TEXTS, "x" * len(name): "x"}).replace(b"x" * len(name), name.encode())
    message = refusal(opus(tmp_path, data))
    assert " in it is a place outside of the archive; get the archive elsewhere." in message
    assert repr(name.replace("\\", "/")) in message or repr(name) in message


def test_a_bomb(tmp_path: Path) -> None:
    """It is refused before anything of it is unpacked."""
    size = 200_000_000
    source = opus(tmp_path, packed({**TEXTS, "A.de-en.en": b"\n" * size}))
    assert Path(source.path).stat().st_size < 1_000_000
    with patch.object(zipfile.ZipFile, "open", side_effect=AssertionError):
        message = refusal(source)
    assert "de-en.txt.zip, A.de-en.en: " in message
    assert " would unpack to 200,000,000, and more than 67,108,864 (200 times as many, or 67,108,864) is" in message


def test_a_bomb_that_lies(tmp_path: Path) -> None:
    """One byte more than the archive says is an error, whatever there would be behind it."""
    text = b"eins\nzwei\n" * 1_000
    data = packed({**TEXTS, "A.de-en.de": text})
    lie = data.replace(len(text).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lie != data
    assert "A.de-en.de, after line " in refusal(opus(tmp_path, lie))


def test_what_repeats_itself_is_no_bomb(tmp_path: Path) -> None:
    lines = "the same line\n" * 100_000
    found = read(opus(tmp_path, packed({"A.en": lines, "A.de": lines})))
    assert len(found) == 100_000
    with patch.object(zipped, "FREE_BYTES", 1_000):
        assert "would unpack to 1,400,000, and more than " in refusal(
            opus(tmp_path, packed({"A.en": lines, "A.de": lines}))
        )


def test_encrypted(tmp_path: Path) -> None:
    data = bytearray(packed({"A.en": "a\n", "A.de": "b\n"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 1)
    message = refusal(opus(tmp_path, bytes(data)))
    assert message.endswith("A.en: this file is encrypted; unpack the archive and name the files in it.")
    assert "cannot be unpacked" not in message  # in words of its own


def test_damage(tmp_path: Path) -> None:
    lines = "".join(f"line {number * 7919 % 10007}\n" for number in range(5_000))
    data = packed({"A.en": lines, "A.de": lines})
    for bad in (data[:-30], data[: len(data) // 2], b"", b"no archive"):
        assert refusal(opus(tmp_path, bad)).startswith(f"{tmp_path}/de-en.txt.zip: not a whole zip archive (")
    middle = len(data) // 4
    broken = data[:middle] + bytes(byte ^ 0xFF for byte in data[middle : middle + 50]) + data[middle + 50 :]
    assert "de-en.txt.zip, A.en, after line " in refusal(opus(tmp_path, broken))
    checksum = data.replace(zipfile.ZipFile(io.BytesIO(data)).infolist()[0].CRC.to_bytes(4, "little"), b"\1\2\3\4")
    assert "A.en, after line " in refusal(opus(tmp_path, checksum))


def test_an_archive_inside_of_an_archive(tmp_path: Path) -> None:
    inner = packed(TEXTS)
    message = refusal(opus(tmp_path, packed({"A.en": "a\n", "A.de": inner})))
    assert "A.de: this is a zip archive; unpack it" in message


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    """Is no damaged one."""
    file = tmp_path / "de-en.txt.zip"
    with pytest.raises(UserError) as caught:
        zipped.members(file)
    assert str(caught.value) == f"{file}: cannot be read (No such file or directory)."
