"""Why a pair is rejected."""

from weam_ray.corpus.words import word_spans

BLANK = "blank"
TOO_LONG = "too_long"
IDENTICAL = "identical"
HELD_OUT_ELSEWHERE = "held_out_elsewhere"


def reject_reason(source: str, target: str, max_words: int) -> str | None:
    """The reason to reject a pair, or None to keep it.

    `blank`: a side without a word; `identical`: both sides the same text, so nothing is translated;
    `too_long`: a side of more than `max_words` words.
    """
    source_length, target_length = len(word_spans(source)), len(word_spans(target))
    if source_length == 0 or target_length == 0:
        return BLANK
    if source.strip() == target.strip():
        return IDENTICAL
    if max(source_length, target_length) > max_words:
        return TOO_LONG
    return None
