"""Compiles what is otherwise compiled on first use: FastAlign's kernels, and that of a filter.

`python -m weam_ray.jobs.warm_up` is the last step of an installation; without it the first run does the same, later.
"""

import time
from typing import Any

import pyarrow as pa

from weam_ray.align.fast_align.bitext import Bitext, Side
from weam_ray.align.fast_align.executors import Threads
from weam_ray.align.fast_align.fit import fit
from weam_ray.align.fast_align.model import Model
from weam_ray.align.pharaoh import format_pharaoh, parse_pharaoh
from weam_ray.align.symmetrize import METHODS, one_to_one, symmetrize
from weam_ray.cluster.capacity import num_slots
from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.filters.base import Side as FilterSide
from weam_ray.corpus.filters.repetition import repeats
from weam_ray.corpus.words import segment
from weam_ray.encode.projection import project
from weam_ray.settings.data import AlignSection


def compile_kernels() -> None:
    """Run every compiled kernel once, on arrays of the kinds that the stages use."""
    source, target = (segment(pa.array(texts), "whitespace") for texts in (["a b", "b"], ["x y", "y"]))
    settings = AlignSection(lowercase=False)
    lexicon, parts = fit([lambda: (source, target)], settings, "whitespace", Threads(1), lambda _, part: part)
    found = Model(lexicon, tuple(parts)).align(Bitext(Side.of(source, False), Side.of(target, False)))
    for method in METHODS:
        links = symmetrize(found.forward, found.reverse, method)
        links = one_to_one(links, found.forward, found.reverse, found.union_posteriors)
    parse_pharaoh(format_pharaoh(links).decode().splitlines())
    offsets = links.offsets * 0
    spans = links.links.ravel()[:0].astype("int32")
    side = FilterSide("en", pa.array(["a b b"]))
    repeats(side, 1, 1, 3)
    side.codes.count(side.codes.kinds & side.codes.tally.shape[0] > 0)
    project(spans, offsets, spans, offsets, spans, offsets, spans, offsets, links.links[:0], offsets, False)


def warm_workers(num_cpus: float) -> None:
    """Have the cluster start as many workers as run at once, with everything imported and every kernel loaded."""

    def load(item: dict[str, Any]) -> dict[str, Any]:
        compile_kernels()
        return item

    map_items([{}] * max(1, int(num_slots(num_cpus))), load, "loading", num_cpus)


def main() -> None:
    started = time.monotonic()
    print("compiling the kernels ...", flush=True)
    compile_kernels()
    print(f"compiled in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
