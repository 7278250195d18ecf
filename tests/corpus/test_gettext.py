"""Catalogues of gettext: contexts, plurals, states, encodings, and what is damaged."""

import csv
import gzip
import os
import struct
from pathlib import Path

import polib
import pytest

from tests.support.forms import source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.settings.sources import Source

HEADER = 'msgid ""\nmsgstr ""\n"Language: de\\n"\n"Content-Type: text/plain; charset=UTF-8\\n"\n{more}\n'
DATA = Path(os.environ.get("WEAM_RAY_DATA_ROOT", "/nowhere")) / "gettext"


def po(folder: Path, text: str | bytes, header: str = "", **languages: str) -> Source:
    file = folder / "text.po"
    data = text if isinstance(text, bytes) else (HEADER.format(more=header) + text).encode()
    file.write_bytes(data)
    return source_of("gettext", path=str(file), **languages)


def rows(source: Source) -> list[tuple[str, str, str | None]]:
    return [(pair.source, pair.target, pair.problem) for pair in read(source)]


MESSAGES = """
msgid "File"
msgstr "Datei"

# another meaning
msgctxt "tool"
msgid "File"
msgstr "Feile"

#, fuzzy, c-format
#| msgid "%d dog"
msgid "%d dogs"
msgstr "%d Katzen"

msgid "none"
msgstr ""

msgid ""
"two "
"parts\\n"
msgstr "zwei "
"Teile\\n"

msgid "\\"quoted\\" \\\\ \\t"
msgstr "\\"zitiert\\""

#~ msgid "old"
#~ msgstr "alt"
"""


def test_messages(tmp_path: Path) -> None:
    assert read(po(tmp_path, MESSAGES)) == [
        Pair("7", "File", "Datei"),
        Pair("10", "File", "Feile"),
        Pair("15", "%d dogs", "%d Katzen", "fuzzy"),
        Pair("20", "none", "", "untranslated"),
        Pair("23", "two parts\n", "zwei Teile\n"),
        Pair("29", '"quoted" \\ \t', '"zitiert"'),
        Pair("32", "old", "alt", "obsolete"),
    ]


FORMS = 'msgid "one dog"\nmsgid_plural "%d dogs"\n{}'
ENGLISH = "nplurals=2; plural=(n != 1);"
SLAVIC = "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
ARABIC = "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;"


@pytest.mark.parametrize(
    ("rule", "num_forms", "singular"),
    [(ENGLISH, 2, 0), ("", 2, 0), ("nplurals=1; plural=0;", 1, None), (SLAVIC, 3, 0), (ARABIC, 6, 1),
     ("nplurals=2; plural=1/0;", 2, 0), ("nplurals=INTEGER; plural=EXPRESSION;", 2, 0),
     ("nplurals=2; plural=__import__('os');", 2, 0), (f"nplurals=2; plural={'(' * 9_000};", 2, 0)],
)  # fmt: skip
def test_plurals(tmp_path: Path, rule: str, num_forms: int, singular: int | None) -> None:
    text = FORMS.format("".join(f'msgstr[{form}] "form {form}"\n' for form in range(num_forms)))
    header = f'"Plural-Forms: {rule}\\n"' if rule else ""
    assert [row[:2] for row in rows(po(tmp_path, text, header))] == [
        ("one dog" if form == singular else "%d dogs", f"form {form}") for form in range(num_forms)
    ]


def test_a_plural_in_part(tmp_path: Path) -> None:
    found = read(po(tmp_path, FORMS.format('msgstr[0] "ein Hund"\nmsgstr[1] ""\n'), '"X: y\\n"'))
    assert found == [Pair("6.0", "one dog", "ein Hund"), Pair("6.1", "%d dogs", "", "untranslated")]


def test_the_language_of_the_catalogue(tmp_path: Path) -> None:
    text = 'msgid "dog"\nmsgstr "Hund"\n'
    assert rows(po(tmp_path, text, target_lang="de-AT")) == [("dog", "Hund", None)]
    assert rows(po(tmp_path, text, target_lang="fr")) == [("dog", "Hund", "language")]
    assert rows(po(tmp_path, text, source_lang="de", target_lang="en")) == [("Hund", "dog", None)]
    assert rows(po(tmp_path, text.encode())) == [("dog", "Hund", None)]  # without a header


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_line_ends_end_lines(tmp_path: Path, end: str) -> None:
    text = 'msgid "a\u2028b\x85c\x0bd"\nmsgstr "e\u2029f\x1cg"\n'
    text = (HEADER.format(more="") + text).replace("\n", end)
    for mark in ("", "\ufeff"):
        assert rows(po(tmp_path, (mark + text).encode())) == [("a\u2028b\x85c\x0bd", "e\u2029f\x1cg", None)]


def test_encodings(tmp_path: Path) -> None:
    text = HEADER.format(more="") + 'msgid "cheese"\nmsgstr "K\u00e4se"\n'
    for encoding in ("ISO-8859-1", "windows-1252", "utf-8"):
        assert rows(po(tmp_path, text.replace("UTF-8", encoding).encode(encoding))) == [("cheese", "K\u00e4se", None)]
    assert rows(po(tmp_path, text.replace("UTF-8", "CHARSET").encode())) == [("cheese", "K\u00e4se", None)]
    message = refusal(po(tmp_path, text.encode("latin-1")))
    assert message == f"{tmp_path}/text.po, line 7: not text in UTF-8; convert it, and say so in its header."
    assert "line 1: not text in " in refusal(po(tmp_path, text.replace("UTF-8", "zip").encode()))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('msgid "a"\nmsgstr "b\n', 7),
        ('msgid "a"\nmsgstr "b"c"\n', 7),
        ('msgid "a"\nmsgstr "b\\"\n', 7),
        ('msgid "a"\nmsgstr "b"\n"c\n', 8),
        ('msgid a\nmsgstr "b"\n', 6),
        ('msgstr "b"\nmsgid "a"\n', 6),
        ("source;target\n", 6),
        ('msgid "a"\nmsgstr[x] "b"\n', 7),
        ('#~ msgid "a"\n#~ msgstr "b\n', 7),
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, text: str, line: int) -> None:
    good = 'msgid "good"\nmsgstr "gut"\n'
    message = refusal(po(tmp_path, text + "\n" + good))
    assert message.startswith(f"{tmp_path}/text.po, line {line}: not a")
    assert len(message) < 250


@pytest.mark.parametrize("name", ["/etc/passwd", "text.po"])
def test_content_is_never_a_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(po(tmp_path, name.encode())).startswith(f"{tmp_path}/text.po, line 1: not a PO file")


def test_empty_and_packed(tmp_path: Path) -> None:
    assert read(po(tmp_path, b"")) == []
    assert read(po(tmp_path, "")) == []
    source = po(tmp_path, MESSAGES)
    expected = read(source)
    Path(source.path).write_bytes(gzip.compress(Path(source.path).read_bytes()))
    assert read(source) == expected


def test_a_catalogue_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weam_ray.corpus.readers.gettext.MOST_BYTES", 50)
    assert "a catalogue of more than 50 bytes cannot be read" in refusal(po(tmp_path, MESSAGES))


class TestMo:
    def written(self, folder: Path, text: str = MESSAGES) -> Source:
        catalogue = polib.pofile(HEADER.format(more=f'"Plural-Forms: {ENGLISH}\\n"') + text)
        catalogue.save_as_mofile(str(folder / "text.mo"))
        return source_of("gettext", path=str(folder / "text.mo"))

    def test_messages(self, tmp_path: Path) -> None:
        """What is fuzzy, obsolete or untranslated is not in an MO file."""
        plural = FORMS.format('msgstr[0] "ein Hund"\nmsgstr[1] "%d Hunde"\n')
        assert {row[:2] for row in rows(self.written(tmp_path, MESSAGES + plural))} == {
            ("File", "Datei"),
            ("File", "Feile"),
            ("two parts\n", "zwei Teile\n"),
            ('"quoted" \\ \t', '"zitiert"'),
            ("one dog", "ein Hund"),
            ("%d dogs", "%d Hunde"),
        }

    def test_the_other_order_of_bytes(self, tmp_path: Path) -> None:
        source = self.written(tmp_path, 'msgid "dog"\nmsgstr "Hund"\n')
        file = Path(source.path)
        data = file.read_bytes()
        number, first, second = struct.unpack("<3I", data[8:20])
        size = second + 8 * number
        words = struct.unpack(f"<{size // 4}I", data[:size])
        file.write_bytes(struct.pack(f">{size // 4}I", *words) + data[size:])
        assert first < second
        assert rows(source) == [("dog", "Hund", None)]

    @pytest.mark.parametrize("size", [4, 8, 19, 30, 60, 200])
    def test_cut_off(self, tmp_path: Path, size: int) -> None:
        source = self.written(tmp_path)
        file = Path(source.path)
        file.write_bytes(file.read_bytes()[:size])
        assert refusal(source).startswith(f"{file}: not a whole MO file (")

    def test_strings_that_overlap(self, tmp_path: Path) -> None:
        """A small file would stand for a text without end."""
        file = tmp_path / "text.mo"
        number, long = 10_000, 1_000_000
        table = struct.pack("<2I", long, 28 + 16 * number) * number
        head = b"\xde\x12\x04\x95" + struct.pack("<6I", 0, number, 28, 28 + 8 * number, 0, 0)
        file.write_bytes(head + table * 2 + b"x" * long)
        source = source_of("gettext", path=str(file))
        assert refusal(source) == f"{file}: not a whole MO file (its strings overlap)."

    def test_bytes_that_are_not_in_the_encoding(self, tmp_path: Path) -> None:
        source = self.written(tmp_path)
        file = Path(source.path)
        file.write_bytes(file.read_bytes().replace(b"Datei", b"Date\xff"))
        assert refusal(source).startswith(f"{file}: not a whole MO file (")


@pytest.mark.skipif(not DATA.is_dir(), reason="WEAM_RAY_DATA_ROOT has no gettext/")
@pytest.mark.parametrize("language", ["de", "ru", "ar", "vi"])
def test_real_messages(tmp_path: Path, language: str) -> None:
    """As polib writes them, wrapped and escaped."""
    (file,) = DATA.glob(f"*{language}*.gz")
    with gzip.open(file, "rt", encoding="utf-8", newline="\n") as stream:
        pairs = [tuple(row[1:3]) for row in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)]
    pairs = [pair for pair in pairs if all(pair)]
    catalogue = polib.POFile()
    catalogue.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": language}
    for number, (source, target) in enumerate(pairs):
        catalogue.append(polib.POEntry(msgid=source, msgstr=target, msgctxt=str(number)))
    catalogue.save(str(tmp_path / "text.po"))
    found = read(source_of("gettext", path=str(tmp_path / "text.po"), target_lang=language))
    assert [(pair.source, pair.target) for pair in found] == pairs
    assert len(pairs) > 1_000
