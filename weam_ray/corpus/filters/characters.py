"""Filters by the kinds of characters: letters, digits, punctuation, scripts."""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from babel.core import get_global

from weam_ray.corpus.filters.base import Kept, Pairs, Side, keeps
from weam_ray.corpus.filters.signs import LETTER, MARK, NUMBER, PUNCTUATION, SPACE, of_scripts
from weam_ray.errors import UserError
from weam_ray.settings.filters import DigitsFilter, LettersFilter, PunctuationFilter, ScriptFilter

# Codes of ISO 15924, and what Unicode calls the scripts of their letters
SCRIPTS = {
    "Adlm": ["Adlam"],
    "Arab": ["Arabic"],
    "Armn": ["Armenian"],
    "Beng": ["Bengali"],
    "Bopo": ["Bopomofo"],
    "Bugi": ["Buginese"],
    "Cans": ["Canadian_Aboriginal"],
    "Cher": ["Cherokee"],
    "Copt": ["Coptic"],
    "Cyrl": ["Cyrillic"],
    "Deva": ["Devanagari"],
    "Ethi": ["Ethiopic"],
    "Geor": ["Georgian"],
    "Goth": ["Gothic"],
    "Grek": ["Greek"],
    "Gujr": ["Gujarati"],
    "Guru": ["Gurmukhi"],
    "Hang": ["Hangul"],
    "Hans": ["Han", "Bopomofo"],
    "Hant": ["Han", "Bopomofo"],
    "Hebr": ["Hebrew"],
    "Java": ["Javanese"],
    "Jpan": ["Han", "Hiragana", "Katakana"],
    "Khmr": ["Khmer"],
    "Knda": ["Kannada"],
    "Kore": ["Hangul", "Han"],
    "Laoo": ["Lao"],
    "Latn": ["Latin"],
    "Mlym": ["Malayalam"],
    "Mong": ["Mongolian"],
    "Mtei": ["Meetei_Mayek"],
    "Mymr": ["Myanmar"],
    "Nkoo": ["Nko"],
    "Olck": ["Ol_Chiki"],
    "Orya": ["Oriya"],
    "Sinh": ["Sinhala"],
    "Sund": ["Sundanese"],
    "Syrc": ["Syriac"],
    "Taml": ["Tamil"],
    "Telu": ["Telugu"],
    "Tfng": ["Tifinagh"],
    "Thaa": ["Thaana"],
    "Thai": ["Thai"],
    "Tibt": ["Tibetan"],
    "Vaii": ["Vai"],
    "Yiii": ["Yi"],
}


@keeps.register
def with_letters(own: LettersFilter, pairs: Pairs) -> Kept:
    """Those of which both sides are letters for the most part."""
    if own.count_spaces:
        return pairs.on_each_side(lambda side: side.share(LETTER | MARK) >= own.min)
    return pairs.on_each_side(
        lambda side: side.codes.count_of(LETTER | MARK) >= own.min * (side.characters - side.codes.count_of(SPACE))
    )


@keeps.register
def without_many_digits(own: DigitsFilter, pairs: Pairs) -> Kept:
    """Those of which no side has too many digits."""
    return pairs.on_each_side(lambda side: side.share(NUMBER) <= own.max)


@keeps.register
def without_much_punctuation(own: PunctuationFilter, pairs: Pairs) -> Kept:
    """Those of which no side has too much punctuation."""
    return pairs.on_each_side(lambda side: side.share(PUNCTUATION) <= own.max)


@keeps.register
def in_their_script(own: ScriptFilter, pairs: Pairs) -> Kept:
    """Those of which both sides are in the scripts of their languages; a side without letters is.

    Raises:
        UserError: a script is not known.
    """
    return pairs.on_each_side(lambda side: share_of_script(side, script_of(side.language, own)) >= own.min)


def script_of(language: str, own: ScriptFilter) -> str:
    """The code of the script of a language: as the filter says, as the language says (sr-Latn), or as CLDR has it.

    Raises:
        UserError: it is not known.
    """
    code = own.scripts.get(language) or likely_script(language)
    if code not in SCRIPTS:
        raise UserError(
            f"corpus.filters: the filter {own.name} does not know the script of {language!r}"
            f"{f', {code!r}' if code else ''}; "
            f"set scripts, such as `scripts: {{{language}: Latn}}`, to one of {', '.join(SCRIPTS)}."
        )
    return code


@cache
def likely_script(language: str) -> str:
    """The script that a language is most often written in, by CLDR; blank where that is not known."""
    first, *others = language.replace("_", "-").split("-")
    given = [part.title() for part in others if len(part) == 4]
    if given:
        return given[0]
    known = get_global("likely_subtags")
    regions = [f"{first.lower()}_{part.upper()}" for part in others if len(part) in (2, 3)]
    found = next((known[key] for key in [*regions, first.lower()] if key in known), "")
    return found.split("_")[1] if found else ""


def share_of_script(side: Side, script: str) -> np.ndarray:
    """The share of each text's letters that are of a script; without letters it is 1."""
    letters = side.codes.count_of(LETTER)
    found = side.codes.count((side.codes.kinds & LETTER != 0) & of_scripts(tuple(SCRIPTS[script]))[side.codes.codes])
    return np.where(letters == 0, 1.0, found / np.maximum(letters, 1))


def letters_only(texts: pa.StringArray) -> list[str]:
    """The letters of each text and their marks, without case and compatibility forms (NFKC)."""
    folded = pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))
    return pc.replace_substring_regex(folded, r"[^\p{L}\p{M}]", "").to_pylist()
