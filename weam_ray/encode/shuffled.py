"""Links that say nothing: the control for the claim that alignments, and not exchanges as such, teach a model."""

import hashlib
from collections.abc import Sequence

import numpy as np

from weam_ray.align.links import Links


def shuffled(links: Links, names: Sequence[str]) -> Links:
    """Give the linked target words of each pair to its linked source words by chance: as many links, one to one still.

    What comes out follows from the links and the name of a pair alone, whatever the shards.
    """
    found = links.links.copy()
    for name, start, end in zip(names, links.offsets, links.offsets[1:], strict=False):
        seed = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
        order = np.random.default_rng(seed).permutation(end - start)
        found[start:end, 1] = found[start:end, 1][order]
    return Links(found, links.offsets)
