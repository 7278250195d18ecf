"""Stage `corpus`: sources -> pairs, in a training part, a held-out part and the rejected."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from weam_ray.cluster import map_items
from weam_ray.config import Config
from weam_ray.corpus.filters import HELD_OUT_ELSEWHERE, reject_reason
from weam_ray.corpus.held_out import LARGEST_SHARE, Candidate, candidates, choose, text_hash
from weam_ray.corpus.readers import Source
from weam_ray.corpus.tables import PAIRS, REJECTED
from weam_ray.errors import UserError
from weam_ray.storage import (
    Attempt,
    Counts,
    SourceHashes,
    Stage,
    StageFile,
    StageOutput,
    StageSpec,
    StageStore,
)

VERSION = 1
PARTS = ("train", "held_out", "rejected")


def corpus_spec(config: Config, hashes: SourceHashes) -> StageSpec:
    """What the corpus stage of a configuration depends on.

    Raises:
        UserError: a source's file is missing.
    """
    corpus = config.corpus
    settings = corpus.model_dump(mode="json", exclude={"sources"})
    settings |= {"sources": [source.settings() for source in corpus.sources], "seed": config.seeds.data}
    files = [[hashes.sha256(file) for file in source.files()] for source in corpus.sources]
    return StageSpec("corpus", VERSION, settings, {"sources": str(files)})


def corpus_stage(config: Config, store: StageStore, spec: StageSpec) -> Stage:
    """Read, filter, hold out and write the pairs of all sources, one task a source.

    Raises:
        UserError: a damaged source, or nothing left to train on.
    """
    sources = [source.absolute() for source in config.corpus.sources]
    return store.build(spec, lambda attempt: build(config, sources, attempt))


def build(config: Config, sources: list[Source], attempt: Attempt) -> StageOutput:
    held_out, limits = find_held_out(config, sources)
    texts = {text for _, found in held_out for text in (found.source_text, found.target_text)}
    rows = {(number, found.row) for number, found in held_out}
    corpus, cpus = config.corpus, config.cluster.data_cpus

    def split(item: dict[str, Any]) -> dict[str, Any]:
        number = item["source"]
        own_rows = {row for owner, row in rows if owner == number}
        return split_source(sources[number], number, own_rows, texts, corpus.max_words, corpus.rows_per_shard, attempt)

    items = [{"source": number} for number in range(len(sources))]
    results = map_items(items, split, "corpus: filtering", cpus)
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
        )
    return StageOutput(files, counts, {"held_out_limits": limits})


def find_held_out(config: Config, sources: list[Source]) -> tuple[list[tuple[int, Candidate]], dict[str, int]]:
    """(source number, candidate) of every held-out pair, and how many each language pair gave."""
    wanted, seed, max_words = config.corpus.held_out, config.seeds.data, config.corpus.max_words

    def scan(item: dict[str, Any]) -> dict[str, Any]:
        source = sources[item["source"]]
        found, num_rows = candidates(source.pairs(), (source.source_lang, source.target_lang), wanted, seed, max_words)
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


def split_source(
    source: Source,
    number: int,
    held_out_rows: set[int],
    held_out_texts: set[int],
    max_words: int,
    rows_per_shard: int,
    attempt: Attempt,
) -> dict[str, Any]:
    """Write the shards of one source; its files, rows read, and counts of the rejected."""
    buffers: dict[str, list[dict[str, str]]] = {part: [] for part in PARTS}
    written: Counter[str] = Counter()
    files: list[StageFile] = []
    rejected: Counter[str] = Counter()
    languages = {"source_lang": source.source_lang, "target_lang": source.target_lang}

    def flush(part: str) -> None:
        if buffers[part]:
            table = pa.Table.from_pylist(buffers[part], schema=REJECTED if part == "rejected" else PAIRS)
            label = f"{number:03d}-{written[part]:05d}"
            files.append(attempt.write_parquet(part, label, table, language_pair=source.language_pair))
            written[part] += 1
            buffers[part] = []

    row = -1
    for row, pair in enumerate(source.pairs()):
        entry = {
            **languages,
            "pair_id": f"{number}:{pair.pair_id}",
            "source": pair.source,
            "target": pair.target,
        }
        if row in held_out_rows:
            part = "held_out"
        else:
            reason = reject_reason(pair.source, pair.target, max_words)
            if reason is None and not held_out_texts.isdisjoint(
                (text_hash(source.source_lang, pair.source), text_hash(source.target_lang, pair.target))
            ):
                reason = HELD_OUT_ELSEWHERE
            part = "train"
            if reason is not None:
                part = "rejected"
                rejected[reason] += 1
                entry["reason"] = reason
        buffers[part].append(entry)
        if len(buffers[part]) == rows_per_shard:
            flush(part)
    for part in PARTS:
        flush(part)
    return {"files": [asdict(file) for file in files], "rows": row + 1, "rejected": dict(rejected)}
