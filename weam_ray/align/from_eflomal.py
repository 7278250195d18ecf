"""The aligner `eflomal`, by the program that `eflomal.py` runs."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from weam_ray.align import eflomal
from weam_ray.align.eflomal_seed import TRIED, can_be_seeded, installed_version
from weam_ray.align.protocol import Fitted
from weam_ray.align.ready import GivenLinks, fit_whole, write_links
from weam_ray.corpus.words import segment
from weam_ray.settings.config import Config
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Stage, StageFile


class Eflomal:
    """Östling & Tiedemann 2016, by the optional package eflomal: better links, in one process."""

    sharded: ClassVar[bool] = False

    def settings(self, config: Config) -> dict[str, Any]:
        return {"lowercase": config.align.lowercase, "seed": config.seeds.data}

    def inputs(self, config: Config, hashes: SourceHashes) -> dict[str, str]:
        return {}

    def fit(self, config: Config, corpus: Stage, pairs: Sequence[str], attempt: Attempt) -> dict[str, Fitted]:
        program = eflomal.program()  # its absence shows before anything runs
        if not can_be_seeded(program):
            print(
                f"eflomal {installed_version()}: its links cannot follow from a seed, as those of {' or '.join(TRIED)} "
                "do; another run over the same pairs would find a few others."
            )

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
            noted = {f"more_than_{eflomal.MAX_WORDS}_words_no_links": len(too_long)}
            if not can_be_seeded(eflomal.program()):
                noted["links_without_a_seed"] = text.num_rows
            return written, {"noted": noted}

        return fit_whole(pairs, corpus, "eflomal", config.cluster.data_cpus, align)

    def decoder(self, config: Config, aligner: Stage, pair: str) -> GivenLinks:
        return GivenLinks(aligner)
