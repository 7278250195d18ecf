"""The same corpus in every form gives the same pairs."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.forms import FORMS
from tests.support.pairs import read
from weam_ray.errors import UserError

PAIRS = [
    ("the dog", "der Hund"),
    ('she said "no", twice', "sie sagte „nein“, zweimal"),
    ("a < b && c > d &amp; &#13;", "a\\nb \\t \\ \\\\"),
    ("one\u2028line \u2029 of\x85text", "eine\u2028Zeile \u2029 Text\x85"),
    ("'%s' {0} %d|5 || ||||", "天气很好，对吗？"),
    ("e\u0301 \u200f\u05d0\u200e \ufeffmark", "😀 👨‍👩‍👧 \U0001f1e9\U0001f1ea"),
    ('"', '""'),
    ('"open', 'close"'),
    ("#: not a comment", 'msgid "x"'),
    ("same", "same"),
    *((f"{number} of many", f"{number}. von vielen") for number in range(40)),
]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_pairs_in_every_form(tmp_path: Path, form: str) -> None:
    found = read(FORMS[form](tmp_path, PAIRS))
    assert [(pair.source, pair.target) for pair in found] == PAIRS
    assert {pair.problem for pair in found} == {None}
    assert len({pair.pair_id for pair in found}) == len(PAIRS)


# without what a form cannot hold: line feeds, tabs, `|||`, blanks at the ends, control characters
SIGNS = st.characters(exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\n\t\r|\u2028\u2029")
AWKWARD = st.sampled_from(
    ["\x85", "\u2028", "\u2029", '"', "'", "\\", ",", "&", "<", ">", "]]>", "\ufeff", "é", "天", "e\u0301"]
)
TEXTS = st.lists(AWKWARD | SIGNS | st.just(" "), min_size=1, max_size=12).map(lambda signs: f"x{''.join(signs)}.")


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("datasets", "tsv.bz2")])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=2, max_size=6))
def test_awkward_texts(form: str, pairs: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        found = read(FORMS[form](Path(folder), pairs))
    assert [(pair.source, pair.target) for pair in found] == pairs
    assert {pair.problem for pair in found} == {None}


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("datasets", "remote")])
@settings(deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_a_sentence_or_a_reason(form: str, data: st.DataObject) -> None:
    """Whatever befalls some bytes of a file: no other error, and no row that was not in the file.

    Of zstd, which Arrow packs without a checksum, damage may be any other text.
    """
    with TemporaryDirectory() as folder:
        source = FORMS[form](Path(folder), PAIRS)
        file = data.draw(st.sampled_from(sorted(path for path in Path(folder).iterdir() if path.is_file())))
        content = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["cut", "change", "insert", "leave out"]))
        piece = data.draw(st.binary(min_size=1, max_size=9))
        if kind == "cut":
            del content[at:]
        elif kind == "leave out":
            del content[at : at + len(piece)]
        else:
            content[at : at + (len(piece) if kind == "change" else 0)] = piece
        file.write_bytes(content)
        try:
            found = read(source)
        except UserError as error:
            found, message = [], str(error)
        else:
            message = str(file)
        assert str(file) in message
    good = [(pair.source, pair.target) for pair in found if pair.problem is None]
    assert form.endswith(".zst") or len(good) <= len(PAIRS) + len(piece)
