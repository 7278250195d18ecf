"""Links that come ready for every pair: read from a file, or from an aligner that only aligns what it is fitted on.

They are written once, a table for each file of the corpus; decoding a file is reading its table.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.aligners import Decode, Fitted
from weam_ray.align.alignments import Alignments, Links
from weam_ray.align.pharaoh import read_pharaoh
from weam_ray.align.symmetrize import symmetrize
from weam_ray.cluster import map_items
from weam_ray.config import Config
from weam_ray.corpus.readers import TextSource
from weam_ray.corpus.words import Words, segment
from weam_ray.errors import UserError
from weam_ray.storage import Attempt, SourceHashes, Stage, StageFile

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


class Pharaoh:
    """Links from the file that `links` of each source names: `i-j` from 0, one line for every row of the source."""

    sharded: ClassVar[bool] = False

    def settings(self, config: Config) -> dict[str, Any]:
        return {}

    def inputs(self, config: Config, hashes: SourceHashes) -> dict[str, str]:
        return {f"links {number}": hashes.sha256(file) for number, file in links_files(config).items()}

    def fit(self, config: Config, corpus: Stage, pairs: Sequence[str], attempt: Attempt) -> dict[str, Fitted]:
        paths = links_files(config)

        def align(files: list[StageFile]) -> tuple[list[StageFile], dict[str, Any]]:
            written = []
            for number in sorted({source_number(file) for file in files}):
                own = [file for file in files if source_number(file) == number]
                given = read_pharaoh(paths[number])
                check_lines(paths[number], given, corpus.info["rows"][number])
                for file in own:
                    table = corpus.read_parquet(file)
                    rows = table["row"].to_numpy()
                    links = given.take(rows)
                    lengths = [
                        segment(table[side].combine_chunks(), config.corpus.segmentation).lengths
                        for side in ("source", "target")
                    ]
                    check_links(paths[number], links, rows, lengths[0], lengths[1])
                    written.append(write_links(attempt, file, links, links))
            return written, {}

        return fit_whole(pairs, corpus, "pharaoh", config.cluster.data_cpus, align)

    def decoder(self, config: Config, aligner: Stage, pair: str) -> GivenLinks:
        return GivenLinks(aligner)


def source_number(file: StageFile) -> int:
    return int(file.label.split("-")[0])


def links_files(config: Config) -> dict[int, Path]:
    """The file of links of every source of pairs, by the number of the source.

    Raises:
        UserError: a source names none, or one that is not there.
    """
    files = {}
    for number, source in enumerate(config.corpus.sources):
        if isinstance(source, TextSource):
            continue
        if source.links is None:
            raise UserError(
                f"align.aligner=pharaoh: corpus.sources.{number}.links is missing; name a file with a line of links "
                "such as `0-0 1-2` for every pair of the source."
            )
        file = Path(source.links)
        if not file.is_file():
            raise UserError(f"corpus.sources.{number}.links: there is no file {str(file)!r}.")
        files[number] = file
    return files


def check_lines(path: Path, links: Links, num_rows: int) -> None:
    """See that there is a line for every pair; blank ones after the last are nothing.

    Raises:
        UserError: another number of lines.
    """
    num_lines = len(links.offsets) - 1
    if num_lines < num_rows or links.offsets[num_rows] < len(links.links):
        raise UserError(
            f"{path} has {num_lines} lines of links, and its source has {num_rows} pairs; "
            "there must be a line for every pair, blank where a pair has no links."
        )


def check_links(
    path: Path, links: Links, rows: NDArray[np.int64], sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> None:
    counts = np.diff(links.offsets)
    beyond = (links.links[:, 0] >= np.repeat(sources, counts)) | (links.links[:, 1] >= np.repeat(targets, counts))
    if beyond.any():
        first = int(np.argmax(beyond))
        pair = int(np.searchsorted(links.offsets, first, side="right")) - 1
        i, j = links.links[first]
        raise UserError(
            f"{path}, line {rows[pair] + 1}: the link {i}-{j} is beyond the pair's {sources[pair]} and {targets[pair]} "
            "words (counted from 0); were the links made of other words? See corpus.segmentation."
        )


class Eflomal:
    """Östling & Tiedemann 2016, by the optional package eflomal: better links, in one process."""

    sharded: ClassVar[bool] = False

    def settings(self, config: Config) -> dict[str, Any]:
        return {"lowercase": config.align.lowercase, "seed": config.seeds.data}

    def inputs(self, config: Config, hashes: SourceHashes) -> dict[str, str]:
        return {}

    def fit(self, config: Config, corpus: Stage, pairs: Sequence[str], attempt: Attempt) -> dict[str, Fitted]:
        from weam_ray.align import eflomal

        eflomal.program()  # its absence shows before anything runs

        def align(files: list[StageFile]) -> tuple[list[StageFile], dict[str, Any]]:
            tables = [corpus.read_parquet(file) for file in files]
            text = pa.concat_tables(tables).combine_chunks()
            source, target = (
                segment(text[side].combine_chunks(), config.corpus.segmentation) for side in ("source", "target")
            )
            seed = config.seeds.data
            forward, reverse, too_long = eflomal.align(source, target, config.align.lowercase, seed)
            ends = np.cumsum([table.num_rows for table in tables])
            written = []
            for file, end in zip(files, ends.tolist(), strict=True):
                own = np.arange(end - file.rows, end)
                written.append(write_links(attempt, file, forward.take(own), reverse.take(own)))
            return written, {"noted": {f"more_than_{eflomal.MAX_WORDS}_words_no_links": len(too_long)}}

        return fit_whole(pairs, corpus, "eflomal", config.cluster.data_cpus, align)

    def decoder(self, config: Config, aligner: Stage, pair: str) -> GivenLinks:
        return GivenLinks(aligner)
