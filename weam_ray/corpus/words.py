"""Words as spans of raw text."""

import regex

# Scripts written without spaces between words are cut into grapheme clusters; elsewhere a word is a run of letters,
# marks, digits and connectors (the joiners U+200C and U+200D included), and any other visible grapheme stands alone.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_WORD = regex.compile(
    rf"(?=[{_UNSPACED}])\X"
    rf"|(?![{_UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}\p{{Pc}}](?:(?![{_UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}\p{{Pc}}\u200c\u200d])*"
    r"|(?=[^\s\p{C}])\X",
    flags=regex.VERSION1,
)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end, in characters, of the words of a text, in order and without overlap.

    Chinese and Japanese are cut by character, other scripts without spaces by grapheme cluster; white space and
    invisible control characters belong to no word.
    """
    return [match.span() for match in _WORD.finditer(text)]
