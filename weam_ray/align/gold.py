"""Alignment error rate: links against links that people made (Och & Ney 2003, Computational Linguistics 29(1))."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weam_ray.align.links import Links
from weam_ray.align.symmetrize import METHODS, symmetrize
from weam_ray.corpus.readers.base import read_lines
from weam_ray.errors import UserError

MAX_NUMBER = 2**15 - 2  # of a word: links are int16, and the number after it must still be one
_BITS = 15
_TOKEN = re.compile(r"([0-9]{1,18})([-p])([0-9]{1,18})")
_RANGE = re.compile(r"(-?[0-9]{1,18})?:(-?[0-9]{1,18})?")


@dataclass(frozen=True)
class Gold:
    """Links that people made: `sure`, and `possible`, which has the sure ones too; both distinct and in (i, j) order.

    `name` and `one_based` say where the links come from, so that an error can quote them as they are written there.
    """

    sure: Links
    possible: Links
    name: str = "gold"
    one_based: bool = False

    def __len__(self) -> int:
        """The number of sentence pairs, those without gold links included."""
        return len(self.sure.offsets) - 1

    @property
    def num_blank_at_end(self) -> int:
        """How many lines at the end have no links: pairs without links, or no pairs."""
        return len(self) - int(np.flatnonzero(np.diff(self.possible.offsets))[-1]) - 1

    def first(self, count: int) -> "Gold":
        """The gold of the first pairs; those after them have no links."""
        pairs = np.arange(count)
        return replace(self, sure=self.sure.take(pairs), possible=self.possible.take(pairs))

    def of(self, pair: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """The sure and the possible links of one pair."""
        return self.sure.of(pair), self.possible.of(pair)


@dataclass(frozen=True)
class Scores:
    """Precision, recall and alignment error rate in percent, and the sizes of the three sets behind them."""

    precision: float
    recall: float
    aer: float
    num_links: int
    num_sure: int
    num_possible: int


def read_gold(path: Path, one_based: bool) -> Gold:
    """Gold links of a UTF-8 file, plain or `.gz`: a line a sentence pair, `i-j` a sure and `ipj` a possible link.

    A blank line is a pair without gold links. `one_based` says that the file counts words from 1; the links returned
    count from 0.

    Raises:
        UserError: no such file, a file without links, or a token that is no link, with file, line and token.
    """
    if not path.is_file():
        raise UserError(f"--gold: there is no file {str(path)!r}.")
    links: list[tuple[int, int, int]] = []
    sure: list[bool] = []
    num_pairs = 0
    first = int(one_based)
    for number, line in enumerate(_lines(path), start=1):
        for token in line.split():
            match = _TOKEN.fullmatch(token)
            where = f"{path}, line {number}: {token!r}"
            if match is None:
                raise UserError(f"{where} is no link; a sure link is written i-j, a possible one ipj, as 3-4 or 3p4.")
            source, target = int(match[1]), int(match[3])
            if min(source, target) < first:
                raise UserError(f"{where} has a word 0, but --gold-one-based says that words are counted from 1.")
            if max(source, target) > MAX_NUMBER:
                raise UserError(f"{where} has a word beyond {MAX_NUMBER}, the greatest number of a word.")
            links.append((number - 1, source - first, target - first))
            sure.append(match[2] == "-")
        num_pairs = number
    if not num_pairs:
        raise UserError(f"{path} is empty; a gold file has a line for each sentence pair.")
    if not links:
        raise UserError(f"{path} has {num_pairs} lines and no link; gold links are written i-j or ipj, as 3-4 or 3p4.")
    rows = np.array(links, np.int64).reshape(-1, 3)
    codes = rows[:, 0] << 2 * _BITS | rows[:, 1] << _BITS | rows[:, 2]
    sure_codes, possible_codes = np.unique(codes[np.array(sure, bool)]), np.unique(codes)
    return Gold(_decoded(sure_codes, num_pairs), _decoded(possible_codes, num_pairs), str(path), one_based)


def gold_rows(gold: Gold, num_rows: int, num_blank: int, lines: str | None) -> list[range]:
    """The rows of the input, from 0, that the gold may be about: by default the last ones.

    Blank lines at the end of the gold may be pairs without links, or no pairs at all, and the same holds for the
    `num_blank` blank rows at the end of the input. Where the numbers of lines leave this open there are several ranges,
    the likeliest first: as many lines as the input has, then blank lines that are no pairs. One that is shorter than
    the gold leaves blank lines out.

    `lines` is `START:END` as in a Python slice of the input lines: counted from 0, END not included, negative numbers
    from the end, both optional.

    Raises:
        UserError: more gold lines than rows, `lines` is no range, or a range of another size than the gold.
    """
    fewest = len(gold) - gold.num_blank_at_end
    if lines is not None:
        rows = asked_rows(lines, num_rows)
        if not fewest <= len(rows) <= len(gold):
            raise UserError(
                f"--gold-lines {lines} names {len(rows)} of the {num_rows} input lines, but --gold has {len(gold)} "
                "lines: the range must have as many lines as the gold."
            )
        return [rows]
    if len(gold) == num_rows:
        return [range(num_rows)]
    num_text = num_rows - num_blank
    starts = [0] if len(gold) == num_text else []
    starts.append(num_text - fewest)
    if gold.num_blank_at_end > num_blank:  # else some blank rows are no pairs: they would have gold links
        starts.append(num_rows - len(gold))
    found = [range(start, min(num_rows, start + len(gold))) for start in dict.fromkeys(starts) if start >= 0]
    if not found:
        raise UserError(
            f"--gold has {len(gold)} lines and the input {num_rows}: "
            "gold has one line per input line, or fewer, which then are the last lines."
        )
    return found


def asked_rows(lines: str, num_rows: int) -> range:
    match = _RANGE.fullmatch(lines)
    if match is None:
        raise UserError(
            f"--gold-lines {lines!r} is no range START:END of input lines; right would be 0:100, 31102: or -447:."
        )
    start, end = (int(part) if part else None for part in match.groups())
    return range(num_rows)[start:end]


def place_gold(
    gold: Gold, found: list[range], num_words: Callable[[range], tuple[ArrayLike, ArrayLike]]
) -> tuple[Gold, range]:
    """The gold and its rows: of those in which it may be, the first whose words it fits.

    Args:
        found: as of `gold_rows`. num_words: the numbers of source and of target words of rows.

    Raises:
        UserError: gold links are beyond their pair, wherever the gold is.
    """
    fitting = (rows for rows in found if not num_beyond(gold.first(len(rows)), *num_words(rows)))
    rows = next(fitting, found[0])
    gold = gold.first(len(rows))
    check_words(gold, *num_words(rows))
    return gold, rows


def num_beyond(gold: Gold, source_words: ArrayLike, target_words: ArrayLike) -> int:
    """Count the gold links that are not between words of their pair."""
    return len(_beyond(gold, source_words, target_words)[0])


def check_words(gold: Gold, source_words: ArrayLike, target_words: ArrayLike) -> None:
    """See that every gold link is between words of its pair; the numbers of words are (pairs,) each.

    Raises:
        UserError: the first gold link beyond its pair, with the gold line.
    """
    beyond, counts = _beyond(gold, source_words, target_words)
    if not len(beyond):
        return
    pairs, links = _pairs(gold.possible), gold.possible.links
    first = beyond[0]
    pair = int(pairs[first])
    source, target = (int(number) + gold.one_based for number in links[first])
    mark = "-" if (source - gold.one_based, target - gold.one_based) in gold.sure.of(pair) else "p"
    if gold.one_based:
        remedy = "Is the gold about other lines (--gold-lines), or are the words of the input cut otherwise?"
    else:
        remedy = "Does the gold count words from 1 (--gold-one-based), or is it about other lines (--gold-lines)?"
    raise UserError(
        f"{gold.name}, line {pair + 1}: link {source}{mark}{target}, with words counted from {int(gold.one_based)}, "
        f"is beyond its pair of {counts[pair, 0]} source and {counts[pair, 1]} target words; "
        f"{len(beyond)} of {len(links)} gold links are. {remedy}"
    )


def score(links: Links, gold: Gold) -> Scores:
    """Score links A against sure links S and possible links P, over all pairs together, not pair by pair.

    precision = |A∩P| / |A|, recall = |A∩S| / |S|, AER = 1 - (|A∩S| + |A∩P|) / (|A| + |S|), times 100. The error rate
    is one minus the mean of precision and recall with the weights |A| and |S|. A share of nothing is 100 %: without
    links nothing is wrong (precision), without sure links nothing is missed (recall), and without either the AER is 0.
    With sure links but none of ours the AER is 100 %, without sure links it is 100 % - precision. A link given twice
    counts once.

    Raises:
        ValueError: links and gold of another number of pairs.
    """
    if len(links.offsets) - 1 != len(gold):
        raise ValueError(f"links of {len(links.offsets) - 1} pairs, gold of {len(gold)}")
    ours, sure, possible = (np.unique(_encoded(each)) for each in (links, gold.sure, gold.possible))
    in_sure = len(np.intersect1d(ours, sure, assume_unique=True))
    in_possible = len(np.intersect1d(ours, possible, assume_unique=True))
    return Scores(
        precision=_percent(in_possible, len(ours)),
        recall=_percent(in_sure, len(sure)),
        aer=100 - _percent(in_sure + in_possible, len(ours) + len(sure)),
        num_links=len(ours),
        num_sure=len(sure),
        num_possible=len(possible),
    )


def score_all(forward: Links, reverse: Links, gold: Gold) -> dict[str, Scores]:
    """Score `forward`, `reverse` and each of their symmetrisations, by name, on the pairs of the gold."""
    scores = {"forward": score(forward, gold), "reverse": score(reverse, gold)}
    return scores | {method: score(symmetrize(forward, reverse, method), gold) for method in METHODS}


def _beyond(
    gold: Gold, source_words: ArrayLike, target_words: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which gold links are not between words of their pair, and (pairs, 2) the numbers of words."""
    counts = np.stack([np.asarray(source_words), np.asarray(target_words)], axis=1)
    if len(counts) != len(gold):
        raise ValueError(f"word counts of {len(counts)} pairs, gold of {len(gold)}")
    links = gold.possible.links
    return np.flatnonzero((links >= counts[_pairs(gold.possible)]).any(axis=1)), counts


def _lines(path: Path) -> Iterator[str]:
    for block in read_lines(path):
        yield from block.column("text").to_pylist()


def _pairs(links: Links) -> NDArray[np.int64]:
    """The pair of each link."""
    return np.repeat(np.arange(len(links.offsets) - 1), np.diff(links.offsets))


def _encoded(links: Links) -> NDArray[np.int64]:
    """One number a link, in the order of (pair, i, j)."""
    wide = links.links.astype(np.int64)
    return _pairs(links) << 2 * _BITS | wide[:, 0] << _BITS | wide[:, 1]


def _decoded(codes: NDArray[np.int64], num_pairs: int) -> Links:
    mask = (1 << _BITS) - 1
    links = np.stack([codes >> _BITS & mask, codes & mask], axis=1).astype(np.int16)
    return Links(links, np.searchsorted(codes >> 2 * _BITS, np.arange(num_pairs + 1)).astype(np.int64))


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0
