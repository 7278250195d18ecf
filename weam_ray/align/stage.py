"""Stages `aligner` (fits a model for each language pair) and `align` (decodes every shard with it)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.protocol import Decode, Decoder, FitJob
from weam_ray.align.ready import Unpaired
from weam_ray.align.table import table
from weam_ray.cluster.memory import give_back_memory, private_memory
from weam_ray.cluster.metrics import counted
from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.stage import CorpusStage
from weam_ray.corpus.tables import ALIGNED, UNPAIRED
from weam_ray.corpus.words import Segmentation, Words, segment
from weam_ray.settings.data import AlignSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput

ROWS_AT_ONCE = 4_000
CELLS_AT_ONCE = 4_000_000  # source words x target words, summed over pairs


@dataclass(frozen=True)
class AlignerStage(StageDefinition):
    """The stage `aligner`; `files` has the hashes of files that the aligner reads besides the corpus."""

    name: ClassVar[str] = "aligner"
    version: ClassVar[int] = 2

    align: AlignSection
    seed: int
    corpus: CorpusStage
    files: dict[str, str]

    @classmethod
    def of(cls, align: AlignSection, corpus: CorpusStage, hashes: SourceHashes) -> "AlignerStage":
        """Hash what the aligner reads.

        Raises:
            UserError: a file of links is missing.
        """
        return cls(align, corpus.corpus.held_out_seed, corpus, table()[align.aligner].inputs(corpus.corpus, hashes))

    @property
    def settings(self) -> dict[str, Any]:
        """Each aligner says which of the settings change what it fits."""
        return {"aligner": self.align.aligner, **table()[self.align.aligner].settings(self.align, self.seed)}

    @property
    def inputs(self) -> dict[str, str]:
        return {"corpus": self.corpus.fingerprint, **self.files}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Fit one model on all training shards of each language pair."""
        corpus, aligner = committed[self.corpus], table()[self.align.aligner]
        pairs = language_pairs(corpus)
        if not aligner.sharded:
            print(f"align: {self.align.aligner} cannot run sharded; one task aligns the whole of a language pair")
        job = FitJob(self.align, self.corpus.corpus, self.seed, corpus, attempt, num_cpus)
        fitted = aligner.fit(job, pairs) if pairs else {}
        rows = sum(file.rows for file in corpus.files("train"))
        files = [file for pair in pairs for file in fitted[pair].files]
        return StageOutput(files, Counts(rows, rows), {pair: fitted[pair].info for pair in pairs})


@dataclass(frozen=True)
class AlignStage(StageDefinition):
    """The stage `align`; `aligner` may be a fitted model from elsewhere."""

    name: ClassVar[str] = "align"
    version: ClassVar[int] = 2

    align: AlignSection
    corpus: CorpusStage
    aligner: AlignerStage | Stage

    @property
    def settings(self) -> dict[str, Any]:
        """All other settings of the section count where the aligner is fitted."""
        return {"lowercase": self.align.lowercase}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Add words and links of both directions to every shard, one task a shard."""
        corpus, aligner = committed[self.corpus], table()[self.align.aligner]
        decoders = {pair: aligner.decoder(self.align, committed[self.aligner], pair) for pair in language_pairs(corpus)}
        items = [asdict(file) for part in ("train", "held_out") for file in corpus.files(part)]
        task = partial(align_shard, corpus, decoders, self.corpus.corpus.segmentation, attempt)
        results = map_items(items, task, "align: decoding", num_cpus)
        files = [StageFile(**result["file"]) for result in results]
        rows = sum(item["rows"] for item in items)
        memory = max((result["memory"] for result in results), default=0)
        return StageOutput(files, Counts(rows, sum(file.rows for file in files)), {"peak_memory_bytes": memory})


def language_pairs(corpus: Stage) -> list[str]:
    """List the language pairs of the training rows, unpaired text left out."""
    files = (file for file in corpus.files("train") if UNPAIRED not in file.info)
    return list(dict.fromkeys(file.info["language_pair"] for file in files))


def align_shard(
    corpus: Stage, decoders: dict[str, Decoder], segmentation: Segmentation, attempt: Attempt, item: dict[str, Any]
) -> dict[str, Any]:
    """Align one shard of the corpus and write it."""
    file = StageFile(**item)
    decoder = Unpaired() if UNPAIRED in file.info else decoders[file.info["language_pair"]]
    decode = decoder.open(file)
    give_back_memory()
    memory = [private_memory()]
    tables = counted(align_file(corpus, file, decode, segmentation, memory), file.info["language_pair"])
    written = attempt.write_batches(file.part, file.label, ALIGNED, tables, **file.info)
    return {"file": asdict(written), "memory": max(memory)}


def align_file(
    corpus: Stage, file: StageFile, decode: Decode, segmentation: Segmentation, memory: list[int]
) -> Iterator[pa.Table]:
    """The rows of a file with their words, links and scores, some at a time; adds the process's memory to `memory`."""
    first = 0
    for rows in corpus.batches(file, ROWS_AT_ONCE):
        source, target = (segment(rows[side].combine_chunks(), segmentation) for side in ("source", "target"))
        for begin, end in runs(source.lengths * target.lengths):
            yield align_rows(
                rows.slice(begin, end - begin),
                decode,
                first + begin,
                source.slice(begin, end),
                target.slice(begin, end),
            )
            memory.append(private_memory())
        first += rows.num_rows


def align_rows(rows: pa.Table, decode: Decode, first: int, source: Words, target: Words) -> pa.Table:
    columns = {name: rows[name] for name in rows.column_names}
    columns["source_words"], columns["target_words"] = source.spans_column(), target.spans_column()
    columns |= decode(first, source, target).columns()
    return pa.table([columns[name] for name in ALIGNED.names], schema=ALIGNED)


def runs(cells: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of pairs that are decoded together: of at most CELLS_AT_ONCE cells, or of a single pair."""
    begin, total = 0, 0
    for pair, of_pair in enumerate(cells.tolist()):
        if pair > begin and total + of_pair > CELLS_AT_ONCE:
            yield begin, pair
            begin, total = pair, 0
        total += of_pair
    if len(cells) > begin:
        yield begin, len(cells)
