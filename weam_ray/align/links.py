"""Links of many sentence pairs, as flat arrays and as Arrow columns."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Links:
    """Links (i, j) of all pairs: pair s has rows `offsets[s]:offsets[s + 1]` of `links`, (L, 2) int16."""

    links: NDArray[np.int16]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        # one memory layout, writable and contiguous, so that kernels are compiled for one kind of array
        for name in ("links", "offsets"):
            object.__setattr__(self, name, np.require(getattr(self, name), requirements=["C", "W"]))

    @classmethod
    def from_arrow(cls, column: pa.ChunkedArray) -> "Links":
        """From a column of flat lists i0 j0 i1 j1 ..."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        offsets = array.offsets.to_numpy().astype(np.int64)
        flat = array.values.to_numpy()[offsets[0] : offsets[-1]]
        return cls(flat.reshape(-1, 2), (offsets - offsets[0]) // 2)

    def to_arrow(self) -> pa.ListArray:
        return pa.ListArray.from_arrays(
            pa.array(self.offsets * 2, pa.int32()), pa.array(self.links.ravel(), pa.int16())
        )

    def take(self, pairs: NDArray[np.int64]) -> "Links":
        """The links of some pairs, in the order given."""
        counts = np.diff(self.offsets)[pairs]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][pairs] - offsets[:-1], counts)
        return Links(self.links[rows], offsets)

    def spread(self, places: NDArray[np.int64], num_pairs: int) -> "Links":
        """The links of `num_pairs` pairs, of which those at `places`, in rising order, have these; others have none."""
        counts = np.zeros(num_pairs, np.int64)
        counts[places] = np.diff(self.offsets)
        return Links(self.links, np.concatenate([[0], np.cumsum(counts)]))

    def of(self, pair: int) -> list[tuple[int, int]]:
        """The links of one pair."""
        return [(int(i), int(j)) for i, j in self.links[self.offsets[pair] : self.offsets[pair + 1]]]


@dataclass(frozen=True)
class Alignments:
    """What an aligner says of sentence pairs: the links of each direction, and how sure it is.

    Forward links are in the order of the target words, reverse links in that of the source words. `union_posteriors`
    is (number of links of the unions, 2): forward and reverse posterior of each link, in (i, j) order, pair s at
    `union_offsets[s]`. Scores are log probabilities of the pair, (pairs,).
    """

    forward: Links
    reverse: Links
    union_posteriors: NDArray[np.float32]
    union_offsets: NDArray[np.int64]
    forward_scores: NDArray[np.float64]
    reverse_scores: NDArray[np.float64]

    @classmethod
    def from_best(
        cls,
        source_offsets: NDArray[np.int64],
        target_offsets: NDArray[np.int64],
        forward_best: NDArray[np.int16],
        reverse_best: NDArray[np.int16],
        scores: NDArray[np.float64],
        posteriors: NDArray[np.float32],
        num_links: NDArray[np.int64],
    ) -> "Alignments":
        """From the best partner of each target word and of each source word, -1 for none.

        `posteriors` has room for a link of every word; pair s uses the first `num_links[s]` of its own.
        """
        forward, reverse = best_links(forward_best, target_offsets), best_links(reverse_best, source_offsets)
        forward = Links(forward.links[:, ::-1], forward.offsets)
        union_offsets = np.concatenate([[0], np.cumsum(num_links)])
        gaps = source_offsets[:-1] + target_offsets[:-1] - union_offsets[:-1]
        used = np.arange(union_offsets[-1]) + np.repeat(gaps, num_links)
        return cls(forward, reverse, posteriors[used], union_offsets, scores[:, 0], scores[:, 1])

    def columns(self) -> dict[str, pa.Array]:
        """The columns that the stage adds to the pairs."""
        offsets = pa.array(self.union_offsets * 2, pa.int32())
        return {
            "forward_links": self.forward.to_arrow(),
            "reverse_links": self.reverse.to_arrow(),
            "union_posteriors": pa.ListArray.from_arrays(offsets, pa.array(self.union_posteriors.ravel())),
            "forward_score": pa.array(self.forward_scores),
            "reverse_score": pa.array(self.reverse_scores),
        }


def best_links(best: NDArray[np.int16], offsets: NDArray[np.int64]) -> Links:
    """Links (position, best partner) of every word that has one."""
    linked = best >= 0
    positions = np.arange(len(best)) - np.repeat(offsets[:-1], np.diff(offsets))
    links = np.stack([positions[linked], best[linked]], axis=1).astype(np.int16)
    return Links(links, np.concatenate([[0], np.cumsum(linked)])[offsets])
