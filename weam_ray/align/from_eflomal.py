"""The aligner `eflomal`, by the program that `eflomal.py` runs."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from weam_ray.align import eflomal
from weam_ray.align.eflomal_seed import TRIED, can_be_seeded, installed_version
from weam_ray.align.protocol import FitJob, Fitted
from weam_ray.align.ready import GivenLinks, fit_whole, write_links
from weam_ray.corpus.words import segment
from weam_ray.settings.data import AlignSection, CorpusSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Stage, StageFile


class Eflomal:
    """Östling & Tiedemann 2016, by the optional package eflomal: better links, in one process."""

    sharded: ClassVar[bool] = False

    def settings(self, align: AlignSection, seed: int) -> dict[str, Any]:
        return {"lowercase": align.lowercase, "seed": seed}

    def inputs(self, corpus: CorpusSection, hashes: SourceHashes) -> dict[str, str]:
        return {}

    def fit(self, job: FitJob, pairs: Sequence[str]) -> dict[str, Fitted]:
        program = eflomal.program()  # its absence shows before anything runs
        if not can_be_seeded(program):
            print(
                f"eflomal {installed_version()}: its links cannot follow from a seed, as those of {' or '.join(TRIED)} "
                "do; another run over the same pairs would find a few others."
            )
        return fit_whole(job, pairs, run_eflomal)

    def decoder(self, align: AlignSection, aligner: Stage, pair: str) -> GivenLinks:
        return GivenLinks(aligner)


def run_eflomal(job: FitJob, files: list[StageFile]) -> Fitted:
    """Align the rows of some files of the corpus, all together, and write their links."""
    tables = [job.corpus.read_parquet(file) for file in files]
    text = pa.concat_tables(tables).combine_chunks()
    source, target = (segment(text[side].combine_chunks(), job.sources.segmentation) for side in ("source", "target"))
    forward, reverse, too_long = eflomal.align(source, target, job.align.lowercase, job.seed)
    ends = np.cumsum([table.num_rows for table in tables])
    written = []
    for file, end in zip(files, ends.tolist(), strict=True):
        rows = np.arange(end - file.rows, end)
        written.append(write_links(job.attempt, file, forward.take(rows), reverse.take(rows)))
    noted = {f"more_than_{eflomal.MAX_WORDS}_words_no_links": len(too_long)}
    if not can_be_seeded(eflomal.program()):
        noted["links_without_a_seed"] = text.num_rows
    return Fitted(written, {"noted": noted})
