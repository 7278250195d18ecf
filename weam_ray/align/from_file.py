"""The aligner `pharaoh`: links from the files that `corpus.sources[].links` names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weam_ray.align.links import Links
from weam_ray.align.pharaoh import read_pharaoh
from weam_ray.align.protocol import FitJob, Fitted
from weam_ray.align.ready import GivenLinks, fit_whole, source_number, write_links
from weam_ray.corpus.words import segment
from weam_ray.errors import UserError
from weam_ray.settings.data import AlignSection, CorpusSection
from weam_ray.settings.sources import TextSource
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Stage, StageFile


class Pharaoh:
    """Links from the file that `links` of each source names: `i-j` from 0, one line for every row of the source."""

    sharded: ClassVar[bool] = False

    def settings(self, align: AlignSection, seed: int) -> dict[str, Any]:
        return {}

    def inputs(self, corpus: CorpusSection, hashes: SourceHashes) -> dict[str, str]:
        return {f"links {number}": hashes.sha256(file) for number, file in links_files(corpus).items()}

    def fit(self, job: FitJob, pairs: Sequence[str]) -> dict[str, Fitted]:
        links_files(job.sources)  # one that is missing shows before anything runs
        return fit_whole(job, pairs, read_links)

    def decoder(self, align: AlignSection, aligner: Stage, pair: str) -> GivenLinks:
        return GivenLinks(aligner)


def read_links(job: FitJob, files: list[StageFile]) -> Fitted:
    """Write the links of some files of the corpus, from those of their sources.

    Raises:
        UserError: links that do not fit the pairs.
    """
    written, paths = [], links_files(job.sources)
    for number in sorted({source_number(file) for file in files}):
        all_links = read_pharaoh(paths[number])
        check_lines(paths[number], all_links, job.corpus.info["rows"][number])
        for file in (file for file in files if source_number(file) == number):
            table = job.corpus.read_parquet(file)
            rows = table["row"].to_numpy()
            links = all_links.take(rows)
            lengths = [
                segment(table[side].combine_chunks(), job.sources.segmentation).lengths for side in ("source", "target")
            ]
            check_links(paths[number], links, rows, lengths[0], lengths[1])
            written.append(write_links(job.attempt, file, links, links))
    return Fitted(written)


def links_files(corpus: CorpusSection) -> dict[int, Path]:
    """The file of links of every source of pairs, by the number of the source.

    Raises:
        UserError: a source names none, or one that is not there.
    """
    files = {}
    for number, source in enumerate(corpus.sources):
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
