"""TMX: languages, inline elements, and documents that are damaged or made to do harm."""

import gzip
import resource
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.forms import source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.settings.sources import Source

HEAD = '<tmx version="1.4"><header srclang="en"/><body>'
TAIL = "</body></tmx>"


def tmx(folder: Path, body: str | bytes, **languages: str) -> Source:
    file = folder / "text.tmx"
    file.write_bytes(body if isinstance(body, bytes) else body.encode())
    return source_of("tmx", path=str(file), **languages)


def unit(**texts: str) -> str:
    """A unit, by codes in which `_` stands for `-`."""
    variants = (f'<tuv xml:lang="{code.replace("_", "-")}"><seg>{text}</seg></tuv>' for code, text in texts.items())
    return f"<tu>{''.join(variants)}</tu>"


def document(*units: str, before: str = "") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{before}{HEAD}{"".join(units)}{TAIL}'


def found(folder: Path, *units: str, **languages: str) -> list[tuple[str, str, str | None]]:
    return [(pair.source, pair.target, pair.problem) for pair in read(tmx(folder, document(*units), **languages))]


@pytest.mark.parametrize(
    ("codes", "languages"),
    [
        (("en", "de"), ("en", "de")),
        (("en_US", "de_DE"), ("en", "de")),
        (("EN", "De"), ("en", "de")),
        (("en", "de"), ("en-US", "de_AT")),
        (("en_us", "de"), ("en_US", "de")),
    ],
)
def test_codes_of_languages(tmp_path: Path, codes: tuple[str, str], languages: tuple[str, str]) -> None:
    own = {"source_lang": languages[0], "target_lang": languages[1]}
    variants = {codes[1]: "b", "fr": "c", codes[0]: "a"}
    assert found(tmp_path, unit(**variants), **own) == [("a", "b", None)]


def test_an_equal_code_goes_first(tmp_path: Path) -> None:
    units = [unit(en_GB="colour", en="color", de="Farbe"), unit(en_GB="colour", en_US="color", de="Farbe")]
    assert [source for source, _, _ in found(tmp_path, *units)] == ["color", "colour"]
    portuguese = unit(pt_BR="trem", pt="comboio")
    assert found(tmp_path, portuguese, source_lang="pt-BR", target_lang="pt") == [("trem", "comboio", None)]
    assert found(tmp_path, portuguese, source_lang="pt", target_lang="pt_BR") == [("comboio", "trem", None)]
    other = unit(en_GB="colour", de="Farbe")
    assert found(tmp_path, other, source_lang="en-US") == [("", "Farbe", "language")]


def test_units_that_lack_something(tmp_path: Path) -> None:
    units = [
        unit(en="a", de="b"),
        unit(en="a", fr="c"),
        "<tu/>",
        unit(en="a", de=""),
        '<tu><tuv xml:lang="en"/><tuv lang="de"><seg>old</seg></tuv></tu>',
        "<tu><tuv><seg>x</seg></tuv></tu>",
    ]
    assert found(tmp_path, *units) == [
        ("a", "b", None),
        ("a", "", "language"),
        ("", "", "language"),
        ("a", "", None),
        ("", "old", None),
        ("", "", "language"),
    ]


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ('a <bpt i="1">&lt;b></bpt>bold<ept i="1">&lt;/b></ept> c', "a bold c"),
        ('a<ph x="1">{0}</ph>b<it pos="begin">x</it>c<ut>y</ut>d', "abcd"),
        ("a <hi>high <ph>%s</ph>and <hi>low</hi></hi> d", "a high and low d"),
        ("a<ph>x <sub>inner text</sub></ph>b", "ab"),
        ("a<!-- no text -->b<?no text?>c<![CDATA[<d>]]>", "abc<d>"),
        ("a &lt;b&gt; &amp;amp; &#233;&#x1F600;", "a <b> &amp; é\U0001f600"),
        (" a\n b\r\nc&#13;", " a\n b\nc\r"),
    ],
)
def test_text_of_segments(tmp_path: Path, segment: str, text: str) -> None:
    assert found(tmp_path, unit(en=segment, de="x")) == [(text, "x", None)]


def test_names_of_units_and_namespaces(tmp_path: Path) -> None:
    """Units of any namespace, with what else a translation memory has, numbered one by one."""
    more = '<prop type="x">y</prop><note>n</note>'
    text = document(unit(en="a", de="b").replace("<tuv", f"{more}<tuv", 1), unit(en="c", de="d"))
    text = text.replace("<tmx ", '<tmx xmlns="http://www.lisa.org/tmx14" ')
    assert read(tmx(tmp_path, text)) == [Pair("1", "a", "b"), Pair("2", "c", "d")]
    assert read(tmx(tmp_path, document())) == []


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_encodings_that_are_declared(tmp_path: Path, encoding: str) -> None:
    text = document(unit(en="caf\u00e9", de="K\u00e4se")).replace("UTF-8", encoding)
    assert read(tmx(tmp_path, text.encode(encoding))) == [Pair("1", "caf\u00e9", "K\u00e4se")]


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (("<seg>bad</seg>", "<seg>bad"), 4, "tag mismatch"),
        (("bad", "b\x01d"), 4, "Char"),
        (("bad", "b\0d"), 4, "Char"),
        (("bad", "b&nbsp;d"), 4, "nbsp"),
        (("bad", "b&d"), 4, ""),
        (("bad", "b]]>d"), 4, "]]>"),
        (("bad", "x" * 11_000_000), 4, "a text or a name of more than 10 MB, or elements more than 256 deep"),
        (("</body></tmx>", ""), 6, ""),
        (("UTF-8", "no-such-encoding"), 1, "ncoding"),
    ],
)
def test_what_is_no_xml(tmp_path: Path, change: tuple[str, str], line: int, reason: str) -> None:
    text = document("\n", unit(en="good", de="gut"), "\n", unit(en="bad", de="x"), "\n", unit(en="y", de="z"), "\n")
    assert change[0] in text
    message = refusal(tmx(tmp_path, text.replace(*change)))
    assert message.startswith(f"{tmp_path}/text.tmx, line {line}: not well-formed XML (")
    assert reason in message
    assert len(message) < 300


def test_bytes_that_are_not_in_the_encoding(tmp_path: Path) -> None:
    text = document("\n", unit(en="caf\u00e9", de="x")).encode("latin-1")
    assert "text.tmx, line 3: not well-formed XML (" in refusal(tmx(tmp_path, text))


def test_good_units_come_before_the_error(tmp_path: Path) -> None:
    """Nothing is kept back, and nothing is silently left out: the stage that reads them fails."""
    many = [unit(en=f"{number} dogs", de=f"{number} Hunde") for number in range(20_000)]
    source = tmx(tmp_path, document(*many, "<tu>"))
    assert "not well-formed" in refusal(source)


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04", b"<html><body/></html>", b"<a/>"])
def test_what_is_no_tmx(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmx(tmp_path, data)).startswith(f"{tmp_path}/text.tmx")


def test_a_packed_file_that_is_cut_off(tmp_path: Path) -> None:
    many = [unit(en=f"{number * 7919 % 10007} dogs", de="Hunde") for number in range(5_000)]
    source = tmx(tmp_path, gzip.compress(document(*many).encode())[:-900])
    assert "text.tmx, after unit " in refusal(source)
    assert "not a whole gzip file" in refusal(source)


LAUGHS = "".join(f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 10))
BILLION = f'<!DOCTYPE tmx [<!ENTITY a0 "lol">{LAUGHS}]>\n'


class TestHarm:
    @pytest.mark.parametrize(
        ("declared", "text"),
        [
            (BILLION, "&a9;"),
            (BILLION, "harmless"),
            ('<!DOCTYPE tmx [<!ENTITY big "xxxxxxxx">]>', "&big;" * 50_000),
            ('<!DOCTYPE tmx [<!ENTITY secret SYSTEM "file:///etc/passwd">]>', "&secret;"),
            ('<!DOCTYPE tmx [<!ENTITY % more SYSTEM "file:///etc/passwd"> %more;]>', "x"),
            ('<!DOCTYPE tmx SYSTEM "tmx14.dtd" [<!ENTITY a "b">]>', "&a;"),
        ],
    )
    def test_entities_are_refused(self, tmp_path: Path, declared: str, text: str) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        message = refusal(tmx(tmp_path, document(unit(en=text, de="y"), before=declared)))
        assert message.startswith(f"{tmp_path}/text.tmx: the document declares entities (")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes

    def test_entities_in_attributes(self, tmp_path: Path) -> None:
        """They are replaced by the parser before any element is seen, within its bounds."""
        text = document(before=BILLION).replace("<tmx", '<tmx note="&a9;"')
        assert "(entities that stand for far more text than they take)" in refusal(tmx(tmp_path, text))

    @pytest.mark.parametrize("kind", ["SYSTEM", 'PUBLIC "-//X//Y//EN"'])
    @pytest.mark.parametrize("place", ["file:///etc/passwd", "/tmp/evil.dtd", "evil.dtd", "http://{host}/tmx.dtd"])
    def test_definitions_elsewhere_are_refused(self, tmp_path: Path, kind: str, place: str) -> None:
        asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_error(404)

        server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        named = place.format(host=f"127.0.0.1:{server.server_port}")
        source = tmx(tmp_path, document(unit(en="a", de="b"), before=f'<!DOCTYPE tmx {kind} "{named}">'))
        message = refusal(source)
        server.shutdown()
        assert f": the document type is defined elsewhere ({named}), where nothing is read; take " in message
        assert not asked

    @pytest.mark.parametrize(
        "declared",
        [
            '<!DOCTYPE tmx SYSTEM "tmx14.dtd">',
            '<!DOCTYPE tmx PUBLIC "-//LISA OSCAR:1998//DTD for Translation Memory eXchange//EN" "tmx14.dtd">',
            '<!DOCTYPE tmx SYSTEM "http://www.lisa.org/tmx/tmx14.dtd">',
            "<!DOCTYPE tmx>",
        ],
    )
    def test_the_definition_of_the_standard_is_a_name_only(self, tmp_path: Path, declared: str) -> None:
        """It is not read; an entity that it might declare is the problem of its unit."""
        units = [unit(en="a", de="b"), unit(en="a&nbsp;b", de="c")]
        pairs = read(tmx(tmp_path, document(*units[: 1 + ("SYSTEM" in declared)], before=declared)))
        assert pairs == [Pair("1", "a", "b"), Pair("2", "ab", "c", "entity")][: len(pairs)]

    def test_much_that_is_no_unit(self, tmp_path: Path) -> None:
        junk = "<prop>x</prop>" * 100 + "\n"
        message = refusal(tmx(tmp_path, f"{HEAD}{unit(en='a', de='b')}{junk * 13_000}{TAIL}"))
        assert message == f"{tmp_path}/text.tmx, after unit 1: nothing in 16,777,216 bytes is a tu."

    def test_deep_nesting(self, tmp_path: Path) -> None:
        text = document(unit(en="<hi>" * 100_000, de="x"))
        assert "not well-formed XML (a text or a name of more than 10 MB, or elem" in refusal(tmx(tmp_path, text))
        assert found(tmp_path, unit(en="<hi>" * 200 + "a" + "</hi>" * 200, de="x")) == [("a", "x", None)]
