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


def language(code: str) -> Language:
    """The language of a code: XTREME's, or NLLB's own for a language or script that XTREME has none for.

    Raises:
        UserError: an unknown code.
    """
    known = languages()
    if code in known:
        return known[code]
    by_nllb = {entry.nllb: entry for entry in known.values()}
    if code in by_nllb:
        return by_nllb[code]
    iso, _, script = code.partition("_")
    if len(iso) == 3 and len(script) == 4 and iso.isalpha() and script.isalpha():
        return Language(code, iso, code)
    nearest = difflib.get_close_matches(code, known, n=1, cutoff=0.0)
    raise UserError(
        f"--languages: {code!r} is no language code that is known here; codes are XTREME's (de, zh, ...), or NLLB's "
        f"(ace_Arab). Did you mean {nearest[0]!r}?"
    )
