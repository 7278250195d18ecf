"""Codes of languages: XTREME's, and what ISO 639-3 (as Tatoeba's files use it) and NLLB call the same language."""

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from weam_ray.errors import UserError

TABLE = Path(__file__).with_name("languages.tsv")
ENGLISH = "en"


@dataclass(frozen=True)
class Language:
    """One language: `de`, `deu`, `deu_Latn`."""

    code: str
    iso: str
    nllb: str


@cache
def languages() -> dict[str, Language]:
    """All languages of the table by XTREME's code; those without a code of two letters have one of three."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: Language(**row) for row in csv.DictReader(file, delimiter="\t")}


@cache
def by_other_names() -> dict[str, Language]:
    """The languages of the table by what NLLB and ISO 639-3 call them; of two codes for one (`nb`, `no`) the first."""
    found: dict[str, Language] = {}
    for entry in languages().values():
        for name in (entry.nllb, entry.iso, entry.nllb.partition("_")[0]):
            found.setdefault(name, entry)
    return found


def known_language(code: str) -> Language | None:
    """The language of a code; None of one that is not known here.

    Args:
        code: XTREME's, ISO 639-3's, or NLLB's own for a language or script that XTREME has none for.
    """
    known = languages().get(code) or by_other_names().get(code)
    if known is not None:
        return known
    iso, _, script = code.partition("_")
    if len(iso) == 3 and len(script) == 4 and (iso + script).isalpha() and iso.islower() and script.istitle():
        return Language(code, iso, code)
    return None


def language(code: str) -> Language:
    """The language of a code, as `known_language` takes it.

    Raises:
        UserError: an unknown code.
    """
    known = known_language(code)
    if known is not None:
        return known
    nearest = difflib.get_close_matches(code, languages(), n=1, cutoff=0.0)
    raise UserError(
        f"--languages: {code!r} is no language code that is known here; codes are XTREME's (de, zh, ...), ISO 639-3's "
        f"(deu) or NLLB's (ace_Arab). Did you mean {nearest[0]!r}?"
    )
