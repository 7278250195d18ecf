"""Links in Pharaoh form: `i-j` pairs, counted from 0, a line a sentence pair."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from weam_ray.align.links import Links
from weam_ray.errors import UserError
from weam_ray.store.opening import text_bytes

LARGEST_INDEX = 2**15 - 1
_NUMBERS = re.compile(r"[0-9]+-[0-9]+")


def read_pharaoh(path: Path) -> Links:
    """The links of a file, plain or packed; what follows ` ||| ` on a line, such as a score, is left out.

    Raises:
        UserError: a token that is no link, with file and line; or a file of something else than lines of text.
    """
    try:
        return parse_bytes(text_bytes(path))
    except ValueError as error:
        raise UserError(f"{path}, {error}.") from None


def parse_pharaoh(lines: Iterable[str]) -> Links:
    """Links of lines such as `0-0 1-2`.

    Raises:
        ValueError: a token that is no link, with its line.
    """
    return parse_bytes("".join(f"{line}\n" for line in lines).encode())


def parse_bytes(data: bytes) -> Links:
    if data and not data.endswith(b"\n"):
        data += b"\n"
    flat, offsets, wrong = _parse(np.frombuffer(data, np.uint8), data.count(b"\n"), data.count(b"-"))
    if wrong >= 0:
        number = data.count(b"\n", 0, wrong) + 1
        token = re.split(rb"[ \t\r\n]", data[wrong:], maxsplit=1)[0].decode(errors="replace")
        reason = f": its numbers go up to {LARGEST_INDEX}" if _NUMBERS.fullmatch(token) else ""
        raise ValueError(f"line {number}: {token!r} is no link of the form i-j{reason}")
    return Links(flat, offsets)


def format_pharaoh(links: Links) -> bytes:
    """A line for each pair."""
    text, ends = format_lines(links)
    return text[: ends[-1]].tobytes()


def format_scored(links: Links, scores: NDArray[np.float64]) -> bytes:
    """A line for each pair: its links, ` ||| ` and its score; blank where there is no score."""
    text, ends = format_lines(links)
    lines = text.tobytes()[: ends[-1]].split(b"\n")
    scored = (
        b"" if np.isnan(score) else line + b" ||| %.6f" % score
        for line, score in zip(lines, scores.tolist(), strict=False)
    )
    return b"".join(line + b"\n" for line in scored)


def format_lines(links: Links) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return _format(links.links, links.offsets)


@njit(cache=True)
def _parse(data, num_lines, most_links):
    """Links and offsets, and where the first token begins that is no link, -1 for none."""
    links = np.empty((most_links, 2), np.int16)
    offsets = np.zeros(num_lines + 1, np.int64)
    found = 0
    line = 0
    at = 0
    while at < len(data):
        byte = data[at]
        if byte == 10:
            line += 1
            offsets[line] = found
            at += 1
        elif byte in {32, 9, 13}:
            at += 1
        elif byte == 124 and at + 2 < len(data) and data[at + 1] == 124 and data[at + 2] == 124:
            while data[at] != 10:
                at += 1
        else:
            begin = at
            for side in range(2):
                value = 0
                digits = 0
                while data[at] >= 48 and data[at] <= 57 and value <= LARGEST_INDEX:
                    value = value * 10 + data[at] - 48
                    digits += 1
                    at += 1
                follows = data[at] == 45 if side == 0 else data[at] in {32, 9, 10, 13}
                if digits == 0 or value > LARGEST_INDEX or not follows:
                    return links[:0], offsets, begin
                if side == 0:
                    at += 1
                links[found, side] = value
            found += 1
    return links[:found].copy(), offsets, -1


@njit(cache=True)
def _write(number, text, at):
    """Write a number in decimal digits; where the next character goes."""
    size = 1
    rest = number
    while rest >= 10:
        rest //= 10
        size += 1
    rest = number
    for k in range(size):
        text[at + size - 1 - k] = 48 + rest % 10
        rest //= 10
    return at + size


@njit(cache=True)
def _format(links, offsets):
    """The lines, and where each ends."""
    num_pairs = len(offsets) - 1
    text = np.empty(12 * len(links) + num_pairs, np.uint8)
    ends = np.zeros(num_pairs + 1, np.int64)
    at = 0
    for pair in range(num_pairs):
        for k in range(offsets[pair], offsets[pair + 1]):
            if k > offsets[pair]:
                text[at] = 32
                at += 1
            at = _write(np.int64(links[k, 0]), text, at)
            text[at] = 45
            at = _write(np.int64(links[k, 1]), text, at + 1)
        text[at] = 10
        at += 1
        ends[pair + 1] = at
    return text, ends
