"""XLIFF 1.2 and 2: units with a source and a target, whose state says whether they are done."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from weam_ray.corpus.readers.base import LANGUAGE, STATE, UNTRANSLATED, raw_pairs, source_files
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.languages import is_turned
from weam_ray.corpus.readers.rows import Row, in_batches
from weam_ray.corpus.readers.xml import Element, children, local, text_of, units
from weam_ray.settings.sources import XliffSource
from weam_ray.store.opening import File

CODES = frozenset({"bpt", "ept", "it", "ph", "bx", "ex", "x", "sc", "ec", "sm", "em"})  # no text is inside of them
DONE = frozenset(
    {None, "translated", "reviewed", "final", "signed-off"}
)  # states of both versions; many files say none


@raw_pairs.register
def xliff_pairs(source: XliffSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by unit, and by segment where a unit has several.

    Raises:
        UserError: a file that is no XLIFF, or that is refused; see `xml.units`.
    """
    return file_by_file(source_files(source), partial(pairs_of, source))


def pairs_of(source: XliffSource, file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file."""
    found = enumerate(units(file, "xliff", "trans-unit", "unit"), 1)
    return in_batches(row for number, unit in found for row in rows_of(str(number), unit, source.languages))


def rows_of(name: str, unit: Element, languages: tuple[str, str]) -> Iterator[Row]:
    """The pairs of a unit: one in version 1, one for each segment in version 2."""
    is_first = local(unit) == "trans-unit"
    segments = [unit] if is_first else children(unit, "segment")
    turned = is_turned(codes_of(unit), languages)
    translated = unit.get("translate") != "no"
    for number, segment in enumerate(segments, 1):
        sides = [children(segment, side) for side in ("source", "target")]
        texts = [text_of(side[0], CODES) if side else ("", None) for side in sides]
        problem = texts[0][1] or texts[1][1]
        if turned is None:
            problem = LANGUAGE
        elif not sides[1] or not texts[1][0].strip() or not translated:
            problem = problem or UNTRANSLATED
        elif state_of(segment, sides[1][0]) not in DONE or unit.get("approved") == "no":
            problem = problem or STATE
        left, right = (text for text, _ in (texts[::-1] if turned else texts))
        yield Row(name if len(segments) == 1 else f"{name}.{number}", left, right, problem)


def codes_of(unit: Element) -> tuple[str, str]:
    """The languages of source and target, as the elements around a unit say; blank if they do not."""
    codes = ["", ""]
    for outer in unit.iterancestors():  # `file` in version 1, the root in version 2
        for side, names in enumerate((("source-language", "srcLang"), ("target-language", "trgLang"))):
            codes[side] = codes[side] or next((outer.get(name) for name in names if outer.get(name)), "")
    return codes[0], codes[1]


def state_of(segment: Element, target: Element) -> str | None:
    """What is said of how far a translation is; None if nothing is."""
    return target.get("state") if local(segment) == "trans-unit" else segment.get("state")
