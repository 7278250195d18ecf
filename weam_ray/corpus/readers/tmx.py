"""TMX: units of a translation memory, each with segments in several languages."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from weam_ray.corpus.readers.base import LANGUAGE, raw_pairs, source_files
from weam_ray.corpus.readers.files import file_by_file
from weam_ray.corpus.readers.languages import found_among
from weam_ray.corpus.readers.rows import Row, in_batches
from weam_ray.corpus.readers.xml import XML_LANG, Element, children, text_of, units
from weam_ray.settings.sources import TmxSource
from weam_ray.store.opening import File

CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})  # elements that hold codes of the layout, and no text


@raw_pairs.register
def tmx_pairs(source: TmxSource) -> Iterator[pa.RecordBatch]:
    """The pairs, numbered from 1 by unit.

    Raises:
        UserError: a file that is no TMX, or that is refused; see `xml.units`.
    """
    return file_by_file(source_files(source), partial(pairs_of, source))


def pairs_of(source: TmxSource, file: File) -> Iterator[pa.RecordBatch]:
    """The pairs of one file."""
    found = enumerate(units(file, "tmx", "tu"), 1)
    return in_batches(row_of(str(number), unit, source.languages) for number, unit in found)


def row_of(name: str, unit: Element, languages: tuple[str, str]) -> Row:
    """The pair of a unit."""
    variants = children(unit, "tuv")
    codes = tuple(variant.get(XML_LANG) or variant.get("lang") or "" for variant in variants)
    texts = [("", LANGUAGE) if place is None else segment(variants[place]) for place in found_among(codes, languages)]
    return Row(name, texts[0][0], texts[1][0], texts[0][1] or texts[1][1])


def segment(variant: Element) -> tuple[str, str | None]:
    """The text of a variant, and its problem or null."""
    found = children(variant, "seg")
    return text_of(found[0], CODES) if found else ("", None)
