"""Links that come ready for every pair: read from a file, or from an aligner that only aligns what it is fitted on.

They are written once, a table for each file of the corpus; decoding a file is reading its table.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.links import Alignments, Links
from weam_ray.align.protocol import Decode, Fitted
from weam_ray.align.symmetrize import symmetrize
from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.words import Words
from weam_ray.store.stages import Attempt, Stage, StageFile

LINKS = "links"
PARTS = ("train", "held_out")


def certain(forward: Links, reverse: Links) -> Alignments:
    """Alignments without probabilities: a posterior is 1 where its direction has the link, else 0; no scores."""
    union = symmetrize(forward, reverse, "union")
    posteriors = np.stack([contains(links, union) for links in (forward, reverse)], axis=1).astype(np.float32)
    scores = np.full(len(union.offsets) - 1, np.nan)
    return Alignments(forward, reverse, posteriors, union.offsets, scores, scores)


def contains(links: Links, asked: Links) -> NDArray[np.bool_]:
    """Whether each link that is asked for is among the links of its pair."""
    return np.isin(link_numbers(asked), link_numbers(links))


def link_numbers(links: Links) -> NDArray[np.int64]:
    """One number for each link, which tells pair, i and j."""
    pair = np.repeat(np.arange(len(links.offsets) - 1), np.diff(links.offsets))
    return (pair << 32) | (links.links[:, 0].astype(np.int64) << 16) | links.links[:, 1]


@dataclass(frozen=True)
class GivenLinks:
    """Reads the links that the stage `aligner` holds for every file of the corpus."""

    stage: Stage

    def open(self, file: StageFile) -> Decode:
        (own,) = (given for given in self.stage.files(LINKS) if given.label == label(file))
        table = self.stage.read_parquet(own)

        def decode(first: int, source: Words, target: Words) -> Alignments:
            rows = table.slice(first, len(source.lengths))
            return certain(*(Links.from_arrow(rows[name]) for name in ("forward_links", "reverse_links")))

        return decode


class Unpaired:
    """What unpaired text has instead of an aligner: no links."""

    def open(self, file: StageFile) -> Decode:
        def decode(first: int, source: Words, target: Words) -> Alignments:
            none = Links(np.empty((0, 2), np.int16), np.zeros(len(source.lengths) + 1, np.int64))
            return certain(none, none)

        return decode


def label(file: StageFile) -> str:
    return f"{file.part}-{file.label}"


def write_links(attempt: Attempt, file: StageFile, forward: Links, reverse: Links) -> StageFile:
    table = pa.table({"forward_links": forward.to_arrow(), "reverse_links": reverse.to_arrow()})
    return attempt.write_parquet(LINKS, label(file), table, language_pair=file.info["language_pair"])


def fit_whole(
    pairs: Sequence[str],
    corpus: Stage,
    name: str,
    cpus: float,
    align: Callable[[list[StageFile]], tuple[list[StageFile], dict[str, Any]]],
) -> dict[str, Fitted]:
    """Align each language pair, training and held-out part together, in one task; `align` returns files and info."""

    def run(item: dict[str, Any]) -> dict[str, Any]:
        own = [file for part in PARTS for file in corpus.files(part) if file.info["language_pair"] == item["pair"]]
        files, info = align(own)
        return {"files": [asdict(file) for file in files], "info": info}

    results = map_items([{"pair": pair} for pair in pairs], run, f"align: {name}", cpus)
    return {
        pair: Fitted([StageFile(**file) for file in result["files"]], result["info"])
        for pair, result in zip(pairs, results, strict=True)
    }


def source_number(file: StageFile) -> int:
    return int(file.label.split("-")[0])
