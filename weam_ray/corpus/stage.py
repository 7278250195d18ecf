"""Stage `corpus`: sources -> pairs, in a training part, a held-out part and the rejected."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.filters import HELD_OUT_ELSEWHERE, REMEDIES, count_direction_marks, reject_reasons
from weam_ray.corpus.held_out import LARGEST_SHARE, Candidate, candidates, choose, text_hashes
from weam_ray.corpus.readers import num_headings, raw_pairs, source_files
from weam_ray.corpus.tables import PAIRS, REJECTED, UNPAIRED
from weam_ray.errors import UserError
from weam_ray.settings.config import Config
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.sources import Source
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Counts, Stage, StageFile, StageOutput, StageSpec, StageStore

VERSION = 2
HEADINGS = "headings"
PARTS = ("train", "held_out", "rejected")


def corpus_spec(config: Config, hashes: SourceHashes) -> StageSpec:
    """What the corpus stage of a configuration depends on.

    Raises:
        UserError: a source's file is missing.
    """
    corpus = config.corpus
    settings = corpus.model_dump(mode="json", exclude={"sources"})
    settings |= {"sources": [source.settings() for source in corpus.sources], "seed": config.seeds.data}
    files = [[hashes.sha256(file) for file in source_files(source)] for source in corpus.sources]
    return StageSpec("corpus", VERSION, settings, {"sources": str(files)})


def corpus_stage(config: Config, store: StageStore, spec: StageSpec) -> Stage:
    """Read, filter, hold out and write the pairs of all sources, one task a source.

    Raises:
        UserError: a damaged source, or nothing left to train on.
    """
    return store.build(spec, lambda attempt: build(config, config.corpus.sources, attempt))


def build(config: Config, sources: list[Source], attempt: Attempt) -> StageOutput:
    held_out, limits = find_held_out(config, sources)
    texts = {text for _, found in held_out for text in (found.source_text, found.target_text)}
    rows = {(number, found.row) for number, found in held_out}
    corpus = config.corpus

    def split(item: dict[str, Any]) -> dict[str, Any]:
        number = item["source"]
        own_rows = {row for owner, row in rows if owner == number}
        return split_source(sources[number], number, own_rows, texts, corpus, attempt)

    items = [{"source": number} for number in range(len(sources))]
    results = map_items(items, split, "corpus: filtering", config.cluster.data_cpus)
    for source, result in zip(sources, results, strict=True):
        if result["noted"].get(HEADINGS):
            print(f"corpus: {source.label()}: line 1 is a heading and no pair (with `header: false` it is a pair)")
    files = [StageFile(**file) for result in results for file in result["files"]]
    rejected: Counter[str] = Counter()
    for result in results:
        rejected.update(result["rejected"])
    counts = Counts(
        rows_in=sum(result["rows"] for result in results),
        rows_out=sum(file.rows for file in files if file.part != "rejected"),
        rejected=dict(sorted(rejected.items())),
    )
    kept = {file.info["language_pair"] for file in files if file.part == "train"}
    for language_pair in sorted({source.language_pair for source in sources} - kept):
        members = [number for number, source in enumerate(sources) if source.language_pair == language_pair]
        reasons = sum((Counter(results[number]["rejected"]) for number in members), Counter[str]())
        raise UserError(
            f"The {language_pair} corpus is empty after filtering: "
            f"{sum(results[number]['rows'] for number in members)} pairs were read from "
            f"{'; '.join(sources[number].label() for number in members)}; rejected: "
            f"{', '.join(f'{count} {reason}' for reason, count in reasons.items()) or 'none'}."
            + "".join(f" {reason}: {REMEDIES[reason]}." for reason in reasons if reason in REMEDIES)
        )
    noted = sum((Counter(result["noted"]) for result in results), Counter[str]())
    rows_read = [result["rows"] for result in results]
    return StageOutput(files, counts, {"held_out_limits": limits, "noted": dict(+noted), "rows": rows_read})


def find_held_out(config: Config, sources: list[Source]) -> tuple[list[tuple[int, Candidate]], dict[str, int]]:
    """(source number, candidate) of every held-out pair, and how many each language pair gave."""
    wanted, seed = config.corpus.held_out, config.seeds.data
    if not wanted:
        return [], {source.language_pair: 0 for source in sources}

    def scan(item: dict[str, Any]) -> dict[str, Any]:
        source = sources[item["source"]]
        reasons = rejection(config.corpus, source)
        found, num_rows = candidates(raw_pairs(source), source.languages, wanted, seed, reasons)
        return {"found": found, "rows": num_rows}

    items = [{"source": number} for number in range(len(sources))]
    scans = map_items(items, scan, "corpus: reading", config.cluster.data_cpus)
    held_out: list[tuple[int, Candidate]] = []
    limits: dict[str, int] = {}
    for language_pair in dict.fromkeys(source.language_pair for source in sources):
        members = [number for number, source in enumerate(sources) if source.language_pair == language_pair]
        limit = min(wanted, sum(scans[number]["rows"] for number in members) // LARGEST_SHARE)
        if limit < wanted:
            print(f"corpus: {language_pair} is small; {limit} pairs are held out instead of {wanted} (a fifth at most)")
        found = [(number, Candidate(*entry)) for number in members for entry in scans[number]["found"]]
        chosen = choose(found, limit)
        limits[language_pair] = len(chosen)
        held_out += chosen
    return held_out, limits


def rejection(corpus: CorpusSection, source: Source) -> Callable[[pa.RecordBatch], pa.StringArray]:
    """`reject_reasons` of a source with the settings of a corpus."""
    return partial(
        reject_reasons,
        max_words=corpus.max_words,
        segmentation=corpus.segmentation,
        keep_identical=corpus.keep_identical,
        paired=source.is_paired,
    )


def split_source(
    source: Source,
    number: int,
    held_out_rows: set[int],
    held_out_texts: set[int],
    corpus: CorpusSection,
    attempt: Attempt,
) -> dict[str, Any]:
    """Write the shards of one source; its files, rows read, counts of the rejected and of what is worth a note.

    The rows from `first_row` up to `end_row` of its training shards, one after another, are all rows of the source.
    """
    waiting = {part: (REJECTED if part == "rejected" else PAIRS).empty_table() for part in PARTS}
    files: dict[str, list[StageFile]] = {part: [] for part in PARTS}
    rejected: Counter[str] = Counter()
    noted: Counter[str] = Counter({HEADINGS: num_headings(source)})
    reasons_of = rejection(corpus, source)
    row = 0

    def flush(part: str, num_rows: int) -> None:
        table = waiting[part].slice(0, num_rows).combine_chunks()
        waiting[part] = waiting[part].slice(num_rows)
        info: dict[str, Any] = {"language_pair": source.language_pair}
        if not source.is_paired:
            info[UNPAIRED] = True
        if part == "train":
            first_row = files[part][-1].info["end_row"] if files[part] else 0
            info |= {"first_row": first_row, "end_row": table["row"][-1].as_py() + 1}
        files[part].append(attempt.write_parquet(part, f"{number:03d}-{len(files[part]):05d}", table, **info))

    for batch in raw_pairs(source):
        rows = np.arange(row, row + len(batch))
        row += len(batch)
        held_out = np.isin(rows, list(held_out_rows))
        reasons = pc.if_else(held_out, pa.scalar(None, pa.string()), reasons_of(batch))
        kept = reasons.is_null().to_numpy(zero_copy_only=False) & ~held_out
        if held_out_texts:
            elsewhere = kept & [
                not held_out_texts.isdisjoint(text_hashes(source.languages, left, right))
                for left, right in zip(batch["source"].to_pylist(), batch["target"].to_pylist(), strict=True)
            ]
            reasons = pc.if_else(elsewhere, HELD_OUT_ELSEWHERE, reasons)
            kept &= ~elsewhere
        noted["direction_marks"] += count_direction_marks(batch)
        rejected.update(reasons.drop_null().to_pylist())
        languages = [pa.repeat(language, len(batch)) for language in source.languages]
        names = pc.binary_join_element_wise(str(number), batch["pair_id"], ":")
        columns = [names, *languages, batch["source"], batch["target"], pa.array(rows), reasons]
        table = pa.table(columns, schema=REJECTED)
        for part, mask in (("train", kept), ("held_out", held_out), ("rejected", ~kept & ~held_out)):
            members = table.filter(pa.array(mask)).select(waiting[part].column_names)
            waiting[part] = pa.concat_tables([waiting[part], members])
            while len(waiting[part]) >= corpus.rows_per_shard:
                flush(part, corpus.rows_per_shard)
    for part in PARTS:
        if len(waiting[part]):
            flush(part, len(waiting[part]))
    if files["train"]:
        files["train"][-1].info["end_row"] = row
    return {
        "files": [asdict(file) for part in PARTS for file in files[part]],
        "rows": row,
        "rejected": dict(rejected),
        "noted": dict(+noted),
    }
