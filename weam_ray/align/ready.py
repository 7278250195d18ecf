"""Links that come ready for every pair: read from a file, or from an aligner that only aligns what it is fitted on.

They are written once, a table for each file of the corpus; decoding a file is reading its table.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.links import Alignments, Links
from weam_ray.align.protocol import Decode, FitJob, Fitted
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
        (links,) = (entry for entry in self.stage.files(LINKS) if entry.label == label(file))
        table = self.stage.read_parquet(links)

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
    job: FitJob, pairs: Sequence[str], align: Callable[[FitJob, list[StageFile]], Fitted]
) -> dict[str, Fitted]:
    """Align each language pair, training and held-out part together, in one task."""
    results = map_items(
        [{"pair": pair} for pair in pairs], partial(fit_one, job, align), f"align: {job.align.aligner}", job.num_cpus
    )
    return {
        pair: Fitted([StageFile(**file) for file in result["files"]], result["info"])
        for pair, result in zip(pairs, results, strict=True)
    }


def fit_one(job: FitJob, align: Callable[[FitJob, list[StageFile]], Fitted], item: dict[str, Any]) -> dict[str, Any]:
    """Align one language pair."""
    files = [file for part in PARTS for file in job.corpus.files(part) if file.info["language_pair"] == item["pair"]]
    fitted = align(job, files)
    return {"files": [asdict(file) for file in fitted.files], "info": fitted.info}


def source_number(file: StageFile) -> int:
    return int(file.label.split("-")[0])
