"""Whether the first line of a table is a heading: it is only where both cells are names and nothing else.

What languages are called, in English and in each other, is Unicode's CLDR, by way of Babel.
"""

import re
import unicodedata
from contextlib import suppress
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

TEXT = {"text", "sentence", "segment", "string", "lang", "language"}
SOURCE = {"source", "src", "original", "sentence1", "text1", "sent1"}
TARGET = {"target", "tgt", "trg", "translation", "translated", "sentence2", "text2", "sent2"}
# names that are in use, and not in CLDR
COLLOQUIAL = {
    "bn": "bengali",
    "es": "castellano castilian",
    "fa": "farsi",
    "fil": "tagalog pilipino",
    "my": "myanmar",
    "nb": "nor",
    "nn": "nor",
    "no": "nor",
    "pa": "panjabi",
    "sl": "slovene",
    "tl": "filipino pilipino",
    "zh": "mandarin 汉语",
}
NO_REGION = "xx"  # of mBART's codes


def is_heading(cells: tuple[str, str], languages: tuple[str, str]) -> bool:
    """Whether the cells of the two columns of a pair name them, as `source` and `target`, `en` and `text_de` do."""
    return names_column(cells[0], languages, SOURCE) and names_column(cells[1], languages[::-1], TARGET)


def is_swapped(cells: tuple[str, str], languages: tuple[str, str]) -> bool:
    """Whether each cell names the other column."""
    return names_column(cells[0], languages[::-1], TARGET) and names_column(cells[1], languages, SOURCE)


def names_column(cell: str, languages: tuple[str, str], side: set[str]) -> bool:
    """Whether a cell holds a name of the first language or of a side, and beside it only words such as `text`."""
    parts = words(cell)
    names, beside = names_of(*languages)
    return bool(parts & (names | side)) and parts <= names | side | beside | TEXT


@cache
def names_of(language: str, other: str) -> tuple[set[str], set[str]]:
    """The words that name a language, in English, in itself and in another, and those that may stand beside them: of
    scripts, regions and varieties.
    """
    primary, *subtags = re.split(r"[-_]", language.lower())
    aliases = get_global("language_aliases")
    alike = {code for code in (primary, *aliases) if aliases.get(code, code) == aliases.get(primary, primary)}
    english = Locale("en")
    names = {primary, *alike} | words(f"{english.languages.get(primary, '')} {COLLOQUIAL.get(primary, '')}")
    for speaking in (primary, re.split(r"[-_]", other.lower())[0]):
        with suppress(UnknownLocaleError, ValueError):  # where CLDR does not know this language
            names |= words(Locale(speaking).languages.get(primary, ""))
    varieties = (name for code, name in english.languages.items() if code.lower().startswith(f"{primary}_"))
    codes = {code.lower() for code in (*english.scripts, *english.territories)}
    return names, codes | set(subtags) | words(" ".join(varieties)) | {NO_REGION}


def words(text: str) -> set[str]:
    """The words of a cell, without capitals, accents and what stands around them."""
    plain = "".join(
        sign for sign in unicodedata.normalize("NFD", text.casefold()) if unicodedata.category(sign) != "Mn"
    )
    return set(re.split(r"""[\s_.:()\[\]/#"'|-]+""", plain)) - {""}
