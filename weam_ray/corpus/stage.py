"""Stage `corpus`: sources -> pairs, in a training part, a held-out part and the rejected."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from weam_ray.cluster.tasks import RayTasks, map_stream, progress
from weam_ray.corpus.blocks import Block, filter_block, read_blocks
from weam_ray.corpus.filters import check_filters, files_of_filter
from weam_ray.corpus.filters.always import DAMAGED, HELD_OUT_ELSEWHERE, LIMIT, REMEDIES
from weam_ray.corpus.readers import damage_is, num_headings, source_files
from weam_ray.corpus.shards import EXAMPLES, REJECTED_PART, orders, write_shards
from weam_ray.corpus.whole import Decisions, Dropped, by_source, count, decisions, duplicates, find_held_out
from weam_ray.errors import Unreachable, UserError
from weam_ray.settings.base import Role
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.sources import Source
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, StageDefinition, StageFile, StageOutput

HEADINGS = "headings"
AFTER_FILTERS = (HELD_OUT_ELSEWHERE, LIMIT)  # reasons that rows are given which all filters have kept


@dataclass(frozen=True)
class CorpusStage(StageDefinition):
    """The stage `corpus`; `files` has the hashes of the files of each source, `filter_files` those of each filter."""

    name: ClassVar[str] = "corpus"
    version: ClassVar[int] = 2

    corpus: CorpusSection
    files: list[list[str]]
    filter_files: list[list[str]] = field(default_factory=list)

    @classmethod
    def of(cls, corpus: CorpusSection, hashes: SourceHashes) -> "CorpusStage":
        """Hash the files of the sources and filters.

        Raises:
            UserError: a file is missing, or a filter cannot judge a language.
        """
        files = [[hashes.sha256(file) for file in source_files(source)] for source in corpus.sources]
        filter_files = [[hashes.sha256(file) for file in files_of_filter(own)] for own in corpus.filters]
        check_filters(corpus.filters, [source.languages for source in corpus.sources])
        return cls(corpus, files, filter_files)

    @property
    def settings(self) -> dict[str, Any]:
        """Sources and filters count without their paths."""
        younger = set() if self.corpus.limits else {"limits"}  # stages of before they came go on
        younger |= set() if self.corpus.on_damage == "skip" else {"on_damage"}
        settings = self.corpus.model_dump(mode="json", exclude={"sources", "filters", "held_out_seed", *younger})
        sources = [source.settings() for source in self.corpus.sources]
        filters = [own.only(Role.RESULT) for own in self.corpus.filters]
        settings |= {"filters": filters} if filters else {}
        return settings | {"sources": sources, "seed": self.corpus.held_out_seed}

    @property
    def inputs(self) -> dict[str, str]:
        filters = {"filters": str(self.filter_files)} if self.corpus.filters else {}
        return {"sources": str(self.files), **filters}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Read, filter, hold out and write the pairs of all sources.

        Raises:
            UserError: a damaged source, or nothing left to train on.
        """
        return build(self.corpus, attempt, num_cpus)


def build(corpus: CorpusSection, attempt: Attempt, num_cpus: float) -> StageOutput:
    """Read and filter all sources, decide what only the whole corpus can, and write its shards."""
    sources = corpus.sources
    headings = [headings_of(corpus, source) for source in sources]
    blocks = filtered(corpus, attempt, num_cpus)
    dropped = duplicates(corpus, blocks, attempt.folder, num_cpus)
    held_out, limits = find_held_out(corpus, blocks, dropped, attempt.folder, num_cpus)
    decided = decisions(corpus, blocks, dropped, held_out, attempt.folder, num_cpus)
    counts, files, examples = written(decided, blocks, dropped, attempt, num_cpus)
    rows = [sum(block.rows for block in blocks if block.source == number) for number in range(len(sources))]
    noted = sum((Counter(block.noted) for block in blocks), Counter[str]())
    noted[HEADINGS] += sum(headings)
    for source, number in zip(sources, headings, strict=True):
        if number:
            print(f"corpus: {source.label()}: line 1 is a heading and no pair (with `header: false` it is a pair)")
    rejected = sum(counts.values(), Counter[str]())
    for row in examples.get(DAMAGED, []):
        print(f"corpus: left out from there on: {row['source']}")
    check_pairs_left(corpus, files, rows, counts)
    info: dict[str, Any] = {"held_out_limits": limits, "noted": dict(+noted), "rows": rows}
    if corpus.filters:
        info["filters"] = filter_counts(corpus, sum(rows), rejected)
    if corpus.filters or corpus.on_damage == "skip":
        info["examples"] = examples
    rows_out = sum(file.rows for file in files if file.part != REJECTED_PART)
    return StageOutput(files, Counts(sum(rows), rows_out, dict(sorted(rejected.items()))), info)


def headings_of(corpus: CorpusSection, source: Source) -> int:
    """The lines of a source before its first row that are no rows; none of damaged files, if damage is skipped.

    Raises:
        UserError: a file cannot be read.
    """
    with damage_is(corpus.on_damage):
        try:
            return num_headings(source)
        except Unreachable:
            raise
        except UserError:
            if corpus.on_damage == "stop":
                raise
            return 0


def filtered(corpus: CorpusSection, attempt: Attempt, num_cpus: float) -> list[Block]:
    """All blocks of the corpus, by source and number."""
    done = attempt.notes.read()
    found = map_stream(
        [{"source": number} for number in range(len(corpus.sources))],
        partial(read_blocks, corpus, done),
        partial(filter_block, corpus, attempt, done),
        "corpus: filtering",
        num_cpus,
    )
    return sorted(map(Block.of, found), key=lambda block: (block.source, block.number))


def written(
    decided: Decisions, blocks: list[Block], dropped: Dropped, attempt: Attempt, num_cpus: float
) -> tuple[dict[int, Counter[str]], list[StageFile], dict[str, list[dict[str, str]]]]:
    """Write the shards of all sources: the rejected of each by reason, the files, and examples for each reason."""
    tasks = RayTasks(num_cpus)
    shared = tasks.share(decided)
    groups = [*by_source(blocks)]
    waiting = [
        tasks.submit(count, shared, members, [dropped.of(block) for block in members], attempt.folder)
        for members in groups
    ]
    counts: dict[int, list[dict[str, Any]]] = {number: [] for number in range(len(decided.corpus.sources))}
    for members, reference in zip(groups, progress(waiting, "corpus: counting"), strict=True):
        counts[members[0].source] += tasks.get(reference)
    done = attempt.notes.read()
    planned = [
        order
        for number, own in counts.items()
        if own
        for order in orders([block for block in blocks if block.source == number], own, decided.corpus.rows_per_shard)
    ]
    results = [
        done[order.label()]
        if order.label() in done
        else tasks.submit(write_shards, shared, attempt, order, [dropped.of(block) for block in order.blocks])
        for order in planned
    ]
    files: list[StageFile] = []
    examples: dict[str, list[dict[str, str]]] = {}
    for result in progress(results, "corpus: writing"):
        found = result if isinstance(result, dict) else tasks.get(result)
        files += [StageFile(**file) for file in found["files"]]
        for reason, rows in found["examples"].items():
            examples[reason] = [*examples.get(reason, []), *rows][:EXAMPLES]
    rejected = {
        number: sum((Counter(one["rejected"]) for one in own), Counter[str]()) for number, own in counts.items()
    }
    return rejected, files, examples


def filter_counts(corpus: CorpusSection, rows: int, rejected: Counter[str]) -> list[dict[str, Any]]:
    """How many rows each filter was asked for, in their order, and how many of them it kept and dropped."""
    names = [str(own.name) for own in corpus.filters]
    left = rows - sum(number for reason, number in rejected.items() if reason not in {*names, *AFTER_FILTERS})
    found = []
    for own in corpus.filters:
        dropped = rejected[str(own.name)]
        left -= dropped
        found.append({"name": own.name, "filter": own.filter, "kept": left, "dropped": dropped})
    return found


def check_pairs_left(
    corpus: CorpusSection, files: list[StageFile], rows: list[int], rejected: dict[int, Counter[str]]
) -> None:
    """See that every language pair has rows to train on.

    Args:
        rows: of each source.
        rejected: of each source by reason.

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
        reasons = sum((rejected[number] for number in members), Counter[str]())
        names = {str(own.name) for own in corpus.filters} & {*reasons}
        raise UserError(
            f"The {language_pair} corpus is empty after filtering: "
            f"{sum(rows[number] for number in members)} pairs were read from "
            f"{'; '.join(sources[number].label() for number in members)}; rejected: "
            f"{', '.join(f'{count} {reason}' for reason, count in reasons.items()) or 'none'}."
            + "".join(f" {reason}: {REMEDIES[reason]}." for reason in reasons if reason in REMEDIES)
            + "".join(f" {name}: a filter of corpus.filters; looser limits keep more." for name in sorted(names))
        )
