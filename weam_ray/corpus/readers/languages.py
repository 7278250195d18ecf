"""Codes of languages as files have them: `en`, `en-US` and `EN_us` may all be the English that is asked for."""

from functools import lru_cache


def normal(code: str) -> str:
    """A code in lower case, its parts joined by `-`."""
    return code.strip().lower().replace("_", "-")


def alike(one: str, other: str) -> bool:
    """Whether two codes may be of the same text: they are the same, or one is the other with more behind it."""
    one, other = normal(one), normal(other)
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")


@lru_cache
def found_among(codes: tuple[str, ...], languages: tuple[str, str]) -> tuple[int | None, int | None]:
    """The places among some codes of those for two languages: of equal codes, else of the first that are alike.

    No place is taken for both.
    """
    chosen: list[int | None] = []
    for language in languages:
        chosen.append(next((at for at, code in enumerate(codes) if normal(code) == normal(language)), None))
    for side, language in enumerate(languages):
        if chosen[side] is None:
            near = (at for at, code in enumerate(codes) if code and at not in chosen and alike(code, language))
            chosen[side] = next(near, None)
    return chosen[0], chosen[1]


@lru_cache
def is_turned(codes: tuple[str, str], languages: tuple[str, str]) -> bool | None:
    """Whether a file from one language to another has the target of a pair as its source; None if it has others.

    A blank code may be any language.
    """
    for turned in (False, True):
        wanted = languages[::-1] if turned else languages
        if all(not code or alike(code, language) for code, language in zip(codes, wanted, strict=True)):
            return turned
    return None
