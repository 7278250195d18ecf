"""XLIFF 1.2 and 2: states, languages, segments and inline elements."""

from pathlib import Path

import pytest

from tests.support.forms import source_of
from tests.support.pairs import Pair, read
from weam_ray.errors import UserError
from weam_ray.settings.sources import Source

FIRST = 'xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2"'
SECOND = 'xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0"'


def xliff(folder: Path, text: str, **languages: str) -> Source:
    file = folder / "text.xlf"
    file.write_text(text, encoding="utf-8")
    return source_of("xliff", path=str(file), **languages)


def first(*units: str, about: str = 'source-language="en-US" target-language="de"') -> str:
    return f"<xliff {FIRST}><file {about}><header/><body>{''.join(units)}</body></file></xliff>"


def second(*units: str, about: str = 'srcLang="en" trgLang="de-DE"') -> str:
    return f'<xliff {SECOND} {about}><file id="f">{"".join(units)}</file></xliff>'


def unit(source: str, target: str | None, state: str = "", about: str = "") -> str:
    """A unit of version 1."""
    said = f' state="{state}"' if state else ""
    translated = "" if target is None else f"<target{said}>{target}</target>"
    return f'<trans-unit id="1"{about}><source>{source}</source>{translated}</trans-unit>'


def segment(source: str, target: str | None, state: str = "") -> str:
    """A segment of version 2."""
    said = f' state="{state}"' if state else ""
    translated = "" if target is None else f"<target>{target}</target>"
    return f"<segment{said}><source>{source}</source>{translated}</segment>"


def test_states_of_version_1(tmp_path: Path) -> None:
    units = [
        *(unit("a", "b", state) for state in ("", "translated", "signed-off", "final")),
        *(unit("a", "b", state) for state in ("new", "needs-translation", "needs-review-translation", "x-mine")),
        unit("a", None),
        unit("a", "", "final"),
        unit("a", "b", about=' approved="yes"'),
        unit("a", "b", about=' approved="no"'),
        unit("a", "a", about=' translate="no"'),
    ]
    problems = [pair.problem for pair in read(xliff(tmp_path, first(*units)))]
    assert problems == [*[None] * 4, *["state"] * 4, "untranslated", "untranslated", None, "state", "untranslated"]


def test_states_of_version_2(tmp_path: Path) -> None:
    states = ["", "initial", "translated", "reviewed", "final"]
    units = [f'<unit id="{state}">{segment("a", "b", state)}</unit>' for state in states]
    units += [f"<unit>{segment('a', None)}</unit>", f'<unit translate="no">{segment("a", "b")}</unit>']
    problems = [pair.problem for pair in read(xliff(tmp_path, second(*units)))]
    assert problems == [None, "state", None, None, None, "untranslated", "untranslated"]


def test_segments_of_a_unit(tmp_path: Path) -> None:
    gap = "<ignorable><source> </source></ignorable>"
    units = [f"<unit>{segment('a', 'b')}{gap}{segment('c', None)}</unit>", f"<unit>{segment('d', 'e')}</unit>"]
    group = f"<group><group>{units[0]}</group>{units[1]}</group>"
    assert read(xliff(tmp_path, second(group, units[1]))) == [
        Pair("1.1", "a", "b"),
        Pair("1.2", "c", "", "untranslated"),
        Pair("2", "d", "e"),
        Pair("3", "d", "e"),
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('a <g id="1">b <x id="2"/>c</g> d', "a b c d"),
        ('a<bpt id="1">&lt;b></bpt>b<ept id="1">&lt;/b></ept><ph id="2">%s<sub>no</sub></ph>', "ab"),
        ('<mrk mtype="seg" mid="0">One.</mrk> <mrk mtype="seg" mid="1">Two.</mrk>', "One. Two."),
        ('a<bx id="1"/>b<ex id="1"/><it id="2" pos="open">[</it>', "ab"),
    ],
)
def test_inline_elements_of_version_1(tmp_path: Path, text: str, plain: str) -> None:
    assert read(xliff(tmp_path, first(unit(text, "x")))) == [Pair("1", plain, "x")]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('a <pc id="1">b <ph id="2"/>c</pc> d', "a b c d"),
        ('a<sc id="1"/>b<ec startRef="1"/> <mrk id="m" type="term">c</mrk><sm id="3"/>d<em startRef="3"/>', "ab cd"),
        ('a<cp hex="0000"/>b<cp hex="xyz"/>c<cp hex="FFFFFFFF"/>', "a\0b\ufffdc\ufffd"),
    ],
)
def test_inline_elements_of_version_2(tmp_path: Path, text: str, plain: str) -> None:
    found = read(xliff(tmp_path, second(f"<unit>{segment(text, 'x')}</unit>")))
    assert found == [Pair("1", plain, "x")]


def test_proposals_are_no_pairs(tmp_path: Path) -> None:
    proposed = "<alt-trans><source>no</source><target>nein</target></alt-trans>"
    text = unit("a", "b").replace("</trans-unit>", f"<seg-source>a</seg-source>{proposed}</trans-unit>")
    assert read(xliff(tmp_path, first(text))) == [Pair("1", "a", "b")]


def test_languages(tmp_path: Path) -> None:
    """Of each file in a document: other ones, the other way round, and none."""
    abouts = ['source-language="en" target-language="fr"', 'source-language="de" target-language="en-GB"']
    abouts += ['source-language="en"', 'source-language="fr"']
    files = "".join(f"<file {about}><body>{unit('a', 'b')}</body></file>" for about in abouts)
    assert read(xliff(tmp_path, f"<xliff {FIRST}>{files}</xliff>")) == [
        Pair("1", "a", "b", "language"),
        Pair("2", "b", "a"),
        Pair("3", "a", "b"),
        Pair("4", "a", "b", "language"),
    ]
    other = xliff(tmp_path, second(f"<unit>{segment('a', 'b')}</unit>"), target_lang="fr")
    assert [pair.problem for pair in read(other)] == ["language"]


def test_a_single_translation_that_is_bad_is_a_reason_and_a_broken_document_an_error(tmp_path: Path) -> None:
    good = [unit(f"{number} dogs", f"{number} Hunde") for number in range(3)]
    source = xliff(tmp_path, first(*good, unit("a", "b<g>")))
    with pytest.raises(UserError, match=r"text\.xlf, line 1: not well-formed XML \("):
        read(source)
    entity = '<!DOCTYPE xliff [<!ENTITY a "b">]>'
    with pytest.raises(UserError, match="the document declares entities"):
        read(xliff(tmp_path, entity + first(*good)))
    with pytest.raises(UserError, match="the outermost element is tmx, and not xliff"):
        read(xliff(tmp_path, "<tmx><body/></tmx>"))
