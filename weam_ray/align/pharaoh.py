"""Links in Pharaoh form: `i-j` pairs, a line a sentence pair."""

from collections.abc import Iterable

import numpy as np

from weam_ray.align.alignments import Links


def parse_pharaoh(lines: Iterable[str]) -> Links:
    """Links of lines such as `0-0 1-2`, counted from 0.

    Raises:
        ValueError: a token that is no link, with its line.
    """
    flat: list[tuple[int, int]] = []
    offsets = [0]
    for number, line in enumerate(lines, start=1):
        for token in line.split():
            left, dash, right = token.partition("-")
            if not (dash and left.isdecimal() and right.isdecimal() and max(int(left), int(right)) < 2**15):
                raise ValueError(f"line {number}: {token!r} is no link of the form i-j")
            flat.append((int(left), int(right)))
        offsets.append(len(flat))
    return Links(np.array(flat, np.int16).reshape(-1, 2), np.array(offsets, np.int64))


def format_pharaoh(links: Links, pair: int) -> str:
    """The links of one pair as a line."""
    return " ".join(f"{i}-{j}" for i, j in links.of(pair))
