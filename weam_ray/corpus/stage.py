"""Stage `corpus`: sources -> pairs, in a training part, a held-out part and the rejected."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.filters import HELD_OUT_ELSEWHERE, LIMIT, REMEDIES, count_direction_marks, reject_reasons
from weam_ray.corpus.held_out import LARGEST_SHARE, Candidate, beyond_share, candidates, choose, text_hashes
from weam_ray.corpus.readers import num_headings, raw_pairs, source_files
from weam_ray.corpus.tables import PAIRS, REJECTED, UNPAIRED
from weam_ray.errors import UserError
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.sources import Source
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, StageDefinition, StageFile, StageOutput

HEADINGS = "headings"
PARTS = ("train", "held_out", "rejected")
HeldOut = list[tuple[int, Candidate]]  # number of the source, pair


@dataclass(frozen=True)
class CorpusStage(StageDefinition):
    """The stage `corpus`; `files` has the hashes of the files of each source."""

    name: ClassVar[str] = "corpus"
    version: ClassVar[int] = 2

    corpus: CorpusSection
    files: list[list[str]]

    @classmethod
    def of(cls, corpus: CorpusSection, hashes: SourceHashes) -> "CorpusStage":
        """Hash the files of the sources.

        Raises:
            UserError: a source's file is missing.
        """
        files = [[hashes.sha256(file) for file in source_files(source)] for source in corpus.sources]
        return cls(corpus, files)

    @property
    def settings(self) -> dict[str, Any]:
        """Sources count without their paths."""
        younger = set() if self.corpus.limits else {"limits"}  # stages of before it came go on
        settings = self.corpus.model_dump(mode="json", exclude={"sources", "held_out_seed", *younger})
        sources = [source.settings() for source in self.corpus.sources]
        return settings | {"sources": sources, "seed": self.corpus.held_out_seed}

    @property
    def inputs(self) -> dict[str, str]:
        return {"sources": str(self.files)}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Read, filter, hold out and write the pairs of all sources, one task a source.

        Raises:
            UserError: a damaged source, or nothing left to train on.
        """
        return build(self.corpus, attempt, num_cpus)


def build(corpus: CorpusSection, attempt: Attempt, num_cpus: float) -> StageOutput:
    """Choose the held-out pairs of all sources, then write the shards of each."""
    sources = corpus.sources
    held_out, limits = find_held_out(corpus, num_cpus)
    texts = {text for _, pair in held_out for text in (pair.source_text, pair.target_text)}
    items = [
        {"source": number, "held_out": [pair.row for owner, pair in held_out if owner == number]}
        for number in range(len(sources))
    ]
    results = map_items(items, partial(split_source, corpus, texts, attempt), "corpus: filtering", num_cpus)
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
    check_pairs_left(corpus, files, results)
    noted = sum((Counter(result["noted"]) for result in results), Counter[str]())
    rows_read = [result["rows"] for result in results]
    return StageOutput(files, counts, {"held_out_limits": limits, "noted": dict(+noted), "rows": rows_read})


def check_pairs_left(corpus: CorpusSection, files: list[StageFile], results: list[dict[str, Any]]) -> None:
    """See that every language pair has rows to train on.

    Raises:
        UserError: one has none; why its rows were rejected, and what to do.
    """
    sources = corpus.sources
    kept = {file.info["language_pair"] for file in files if file.part == "train"}
    left_out = {language_pair for language_pair, share in corpus.limits.items() if not share}
    if not kept:
        left_out = set()  # there must be something to train on
    for language_pair in sorted({source.language_pair for source in sources} - kept - left_out):
        members = [number for number, source in enumerate(sources) if source.language_pair == language_pair]
        reasons = sum((Counter(results[number]["rejected"]) for number in members), Counter[str]())
        raise UserError(
            f"The {language_pair} corpus is empty after filtering: "
            f"{sum(results[number]['rows'] for number in members)} pairs were read from "
            f"{'; '.join(sources[number].label() for number in members)}; rejected: "
            f"{', '.join(f'{count} {reason}' for reason, count in reasons.items()) or 'none'}."
            + "".join(f" {reason}: {REMEDIES[reason]}." for reason in reasons if reason in REMEDIES)
        )


def find_held_out(corpus: CorpusSection, num_cpus: float) -> tuple[HeldOut, dict[str, int]]:
    """Choose the pairs that are held out, and say how many each language pair gave."""
    sources, wanted = corpus.sources, corpus.held_out
    if not wanted:
        return [], {source.language_pair: 0 for source in sources}
    items = [{"source": number} for number in range(len(sources))]
    scans = map_items(items, partial(scan_source, corpus), "corpus: reading", num_cpus)
    held_out: HeldOut = []
    limits: dict[str, int] = {}
    for language_pair in dict.fromkeys(source.language_pair for source in sources):
        members = [number for number, source in enumerate(sources) if source.language_pair == language_pair]
        limit = min(wanted, sum(scans[number]["rows"] for number in members) // LARGEST_SHARE)
        if limit < wanted:
            print(f"corpus: {language_pair} is small; {limit} pairs are held out instead of {wanted} (a fifth at most)")
        ranked = [(number, Candidate(*entry)) for number in members for entry in scans[number]["candidates"]]
        chosen = choose(ranked, limit)
        limits[language_pair] = len(chosen)
        held_out += chosen
    return held_out, limits


def scan_source(corpus: CorpusSection, item: dict[str, Any]) -> dict[str, Any]:
    """Find the pairs of one source that may be held out, and count its rows."""
    source = corpus.sources[item["source"]]
    reasons = rejection(corpus, source)
    ranked, num_rows = candidates(raw_pairs(source), source.languages, corpus.held_out, corpus.held_out_seed, reasons)
    return {"candidates": ranked, "rows": num_rows}


def rejection(corpus: CorpusSection, source: Source) -> Callable[[pa.RecordBatch], pa.StringArray]:
    """Fix the settings of `reject_reasons` for a source of a corpus."""
    return partial(
        reject_reasons,
        max_words=corpus.max_words,
        segmentation=corpus.segmentation,
        keep_identical=corpus.keep_identical,
        paired=source.is_paired,
    )


def split_source(
    corpus: CorpusSection, held_out_texts: set[int], attempt: Attempt, item: dict[str, Any]
) -> dict[str, Any]:
    """Write the shards of one source; its files, rows read, counts of the rejected and of what is worth a note.

    The rows from `first_row` up to `end_row` of its training shards, one after another, are all rows of the source.

    Args:
        held_out_texts: hashes of the sentences that no training row may have.
        item: the number of the source, and its rows that are held out.
    """
    number = item["source"]
    source = corpus.sources[number]
    waiting = {part: (REJECTED if part == "rejected" else PAIRS).empty_table() for part in PARTS}
    files: dict[str, list[StageFile]] = {part: [] for part in PARTS}
    rejected: Counter[str] = Counter()
    noted: Counter[str] = Counter({HEADINGS: num_headings(source)})
    reasons_of = rejection(corpus, source)
    share = corpus.limits.get(source.language_pair, 1.0)
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
        held_out = np.isin(rows, item["held_out"])
        reasons = pc.if_else(held_out, pa.scalar(None, pa.string()), reasons_of(batch))
        kept = reasons.is_null().to_numpy(zero_copy_only=False) & ~held_out
        if held_out_texts:
            elsewhere = kept & [
                not held_out_texts.isdisjoint(text_hashes(source.languages, left, right))
                for left, right in zip(batch["source"].to_pylist(), batch["target"].to_pylist(), strict=True)
            ]
            reasons = pc.if_else(elsewhere, HELD_OUT_ELSEWHERE, reasons)
            kept &= ~elsewhere
        if share < 1:
            over = beyond_share(batch, source.languages, share, corpus.held_out_seed)
            over = over & kept if share else over & (kept | held_out)
            reasons = pc.if_else(over, LIMIT, reasons)
            kept, held_out = kept & ~over, held_out & ~over
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
