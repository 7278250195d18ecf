"""Links that say nothing: the control for the claim that alignments, and not exchanges as such, teach a model."""

import hashlib
from collections.abc import Sequence

import numpy as np

from weam_ray.align.links import Links

REVISION = 2  # of how they are drawn


def shuffled(links: Links, names: Sequence[str]) -> Links:
    """Give the linked target words of each pair to its linked source words by chance: as many links, one to one still,
    and where there are two or more, none as it was.

    The links are passed on along a circle in a random order. What comes out follows from the links and the name of a
    pair alone, whatever the shards.
    """
    found = links.links.copy()
    for name, start, end in zip(names, links.offsets, links.offsets[1:], strict=False):
        seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
        circle = start + np.random.default_rng(seed).permutation(end - start)
        found[circle, 1] = links.links[np.roll(circle, 1), 1]
    return Links(found, links.offsets)
