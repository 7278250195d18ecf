"""Stages `aligner` (fits a model for each language pair) and `align` (decodes every shard with it)."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.model_folder import load_model
from weam_ray.align.protocol import Decode
from weam_ray.align.ready import Unpaired
from weam_ray.align.table import table
from weam_ray.cluster.memory import give_back_memory, private_memory
from weam_ray.cluster.metrics import counted
from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.tables import ALIGNED, UNPAIRED
from weam_ray.corpus.words import Segmentation, Words, segment
from weam_ray.settings.config import Config
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Counts, Stage, StageFile, StageOutput, StageSpec, StageStore

MODEL_VERSION = 2
ALIGN_VERSION = 2

ROWS_AT_ONCE = 4_000
CELLS_AT_ONCE = 4_000_000  # source words x target words, summed over pairs


def aligner_spec(config: Config, corpus: str, hashes: SourceHashes) -> StageSpec:
    name = config.align.aligner
    aligner = table()[name]
    settings = {"aligner": name, **aligner.settings(config)}
    return StageSpec("aligner", MODEL_VERSION, settings, {"corpus": corpus, **aligner.inputs(config, hashes)})


def align_spec(config: Config, corpus: str, aligner: str) -> StageSpec:
    settings = {"lowercase": config.align.lowercase}
    return StageSpec("align", ALIGN_VERSION, settings, {"corpus": corpus, "aligner": aligner})


def language_pairs(corpus: Stage) -> list[str]:
    """Those of the training part, unpaired text left out."""
    files = (file for file in corpus.files("train") if UNPAIRED not in file.info)
    return list(dict.fromkeys(file.info["language_pair"] for file in files))


def aligner_stage(config: Config, store: StageStore, spec: StageSpec | None, corpus: Stage) -> Stage:
    """Fit one model on all training shards of each language pair; or the model of `align.model`, without a spec."""
    if spec is None:
        return load_model(config)
    name = config.align.aligner
    aligner = table()[name]

    def builder(attempt: Attempt) -> StageOutput:
        pairs = language_pairs(corpus)
        if not aligner.sharded:
            print(f"align: {name} cannot run sharded; one task aligns the whole of a language pair")
        fitted = aligner.fit(config, corpus, pairs, attempt) if pairs else {}
        rows = sum(file.rows for file in corpus.files("train"))
        files = [file for pair in pairs for file in fitted[pair].files]
        return StageOutput(files, Counts(rows, rows), {pair: fitted[pair].info for pair in pairs})

    return store.build(spec, builder)


def align_stage(config: Config, store: StageStore, spec: StageSpec, corpus: Stage, aligner: Stage) -> Stage:
    """Add words and links of both directions to every shard, one task a shard."""

    def builder(attempt: Attempt) -> StageOutput:
        own = table()[config.align.aligner]
        decoders = {pair: own.decoder(config, aligner, pair) for pair in language_pairs(corpus)}

        def align(item: dict[str, Any]) -> dict[str, Any]:
            file = StageFile(**item)
            decoder = Unpaired() if UNPAIRED in file.info else decoders[file.info["language_pair"]]
            decode = decoder.open(file)
            give_back_memory()
            memory = [private_memory()]
            tables = align_file(corpus, file, decode, config.corpus.segmentation, memory)
            tables = counted(tables, file.info["language_pair"])
            written = attempt.write_batches(file.part, file.label, ALIGNED, tables, **file.info)
            return {"file": asdict(written), "memory": max(memory)}

        items = [asdict(file) for part in ("train", "held_out") for file in corpus.files(part)]
        results = map_items(items, align, "align: decoding", config.cluster.data_cpus)
        files = [StageFile(**result["file"]) for result in results]
        rows = sum(item["rows"] for item in items)
        memory = max((result["memory"] for result in results), default=0)
        return StageOutput(files, Counts(rows, sum(file.rows for file in files)), {"peak_memory_bytes": memory})

    return store.build(spec, builder)


def align_file(
    corpus: Stage, file: StageFile, decode: Decode, segmentation: Segmentation, memory: list[int]
) -> Iterator[pa.Table]:
    """The rows of a file with their words, links and scores, some at a time; adds the process's memory to `memory`."""
    first = 0
    for rows in corpus.batches(file, ROWS_AT_ONCE):
        source, target = (segment(rows[side].combine_chunks(), segmentation) for side in ("source", "target"))
        for begin, end in runs(source.lengths * target.lengths):
            yield align_rows(
                rows.slice(begin, end - begin), decode, first + begin, source.part(begin, end), target.part(begin, end)
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
    for pair, own in enumerate(cells.tolist()):
        if pair > begin and total + own > CELLS_AT_ONCE:
            yield begin, pair
            begin, total = pair, 0
        total += own
    if len(cells) > begin:
        yield begin, len(cells)
