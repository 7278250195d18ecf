"""The verses of fixtures/ with the links of the C++ program, and models of short texts."""

import gzip
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.testing import assert_array_equal

from weam_ray.align.fast_align.bitext import Bitext, Side
from weam_ray.align.fast_align.executors import Threads
from weam_ray.align.fast_align.fit import fit as fit_shards
from weam_ray.align.fast_align.model import IterationReport, Lexicon, Model, Part
from weam_ray.align.links import Alignments, Links
from weam_ray.align.pharaoh import read_pharaoh
from weam_ray.corpus.words import Words, segment
from weam_ray.settings.data import AlignSection

FIXTURES = Path(__file__).parents[1] / "align" / "fixtures"

Pairs = list[tuple[list[str], list[str]]]
Pair = list[tuple[int, int]]


def read_lines(file: Path) -> list[str]:
    return gzip.decompress(file.read_bytes()).decode().split("\n")[:-1]


def read_pairs(file: Path) -> Pairs:
    """The words of `source ||| target` lines."""
    sides = (line.split(" ||| ") for line in read_lines(file))
    return [(source.split(" "), target.split(" ")) for source, target in sides]


def verses(num_pairs: int = 300) -> Pairs:
    return read_pairs(FIXTURES / "verses-en-de.txt.gz")[:num_pairs]


def reference_links(kind: str) -> Links:
    """What the C++ program printed: `fwd`, `rev`, or a method of symmetrisation."""
    return read_pharaoh(FIXTURES / f"verses-en-de.{kind}.gz")


def swapped(pairs: Pairs) -> Pairs:
    return [(target, source) for source, target in pairs]


def links_of(pairs: Sequence[Pair]) -> Links:
    flat = [link for pair in pairs for link in pair]
    offsets = np.cumsum([0, *(len(pair) for pair in pairs)])
    return Links(np.array(flat, np.int16).reshape(-1, 2), offsets.astype(np.int64))


def as_lists(links: Links) -> list[Pair]:
    return [links.of(number) for number in range(len(links.offsets) - 1)]


def words_of(sentences: Sequence[Sequence[str]]) -> Words:
    return segment(pa.array([" ".join(sentence) for sentence in sentences], pa.string()), "whitespace")


def both_sides(pairs: Pairs) -> tuple[Words, Words]:
    return words_of([source for source, _ in pairs]), words_of([target for _, target in pairs])


def bitext_of(pairs: Pairs) -> Bitext:
    source, target = both_sides(pairs)
    return Bitext(Side.of(source, lowercase=False), Side.of(target, lowercase=False))


def fit(
    pairs: Pairs,
    num_shards: int = 1,
    *,
    cuts: Sequence[int] | None = None,
    num_threads: int = 1,
    report: Callable[[IterationReport], None] = lambda _: None,
    **settings: object,
) -> Model:
    """A model of pairs in shards that end at `cuts`, or are equally long."""
    if cuts is None:
        cuts = [len(pairs) * shard // num_shards for shard in range(1, num_shards)]
    loads = [partial(both_sides, pairs[begin:end]) for begin, end in pairwise([0, *cuts, len(pairs)])]
    section = AlignSection.model_validate({"lowercase": False, **settings})
    tasks = Threads(num_threads)
    with tasks.pool:
        lexicon, parts = fit_shards(loads, section, "whitespace", tasks, lambda number, part: (number, part), report)
    assert [number for number, _ in parts] == list(range(len(parts)))
    return Model(lexicon, tuple(part for _, part in parts))


def align(model: Model, pairs: Pairs) -> Alignments:
    return model.align(bitext_of(pairs))


def all_links(links: Links) -> set[tuple[int, int, int]]:
    return {(pair, i, j) for pair in range(len(links.offsets) - 1) for i, j in links.of(pair)}


def share_differing(links: Links, expected: set[tuple[int, int, int]]) -> float:
    return len(all_links(links) ^ expected) / len(expected)


def assert_same_alignments(actual: Alignments, expected: Alignments) -> None:
    """Bit by bit."""
    for name in ("forward", "reverse"):
        assert_array_equal(getattr(actual, name).links, getattr(expected, name).links)
        assert_array_equal(getattr(actual, name).offsets, getattr(expected, name).offsets)
    for name in ("union_posteriors", "union_offsets", "forward_scores", "reverse_scores"):
        assert getattr(actual, name).tobytes() == getattr(expected, name).tobytes()


def stored_bytes(part: Lexicon | Part) -> bytes:
    """Its file."""
    return b"".join(part.pieces())


def assert_same_models(actual: Model, expected: Model) -> None:
    """Bit by bit, in the same parts: words, null word, settings, reports, tables."""
    assert stored_bytes(actual.lexicon) == stored_bytes(expected.lexicon)
    assert [stored_bytes(part) for part in actual.parts] == [stored_bytes(part) for part in expected.parts]


def table_of(model: Model) -> tuple[list[int], bytes, bytes]:
    """The rows of all parts together: lengths, columns, and t in both directions."""
    first_row = 0
    for part in model.parts:
        assert part.first_row == first_row
        first_row += len(part.row_offsets) - 1
    assert first_row == len(model.lexicon.source)
    lengths = [length for part in model.parts for length in np.diff(part.row_offsets).tolist()]
    columns = b"".join(part.columns.tobytes() for part in model.parts)
    return lengths, columns, b"".join(part.table.tobytes() for part in model.parts)
