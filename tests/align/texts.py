"""The verses of fixtures/, and links in Pharaoh form beside them."""

import gzip
from pathlib import Path

from weam_ray.align.alignments import Links
from weam_ray.align.pharaoh import parse_pharaoh

FIXTURES = Path(__file__).parent / "fixtures"

Pairs = list[tuple[list[str], list[str]]]


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
    return parse_pharaoh(read_lines(FIXTURES / f"verses-en-de.{kind}.gz"))


def sides(pairs: Pairs) -> tuple[list[list[str]], list[list[str]]]:
    return [source for source, _ in pairs], [target for _, target in pairs]
