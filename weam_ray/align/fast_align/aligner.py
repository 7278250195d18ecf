"""FastAlign as an aligner: one model for each language pair, fitted by many tasks, shared by all that decode."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from weam_ray.align.fast_align.bitext import Bitext, Side
from weam_ray.align.fast_align.executors import Threads
from weam_ray.align.fast_align.fit import fit
from weam_ray.align.fast_align.model import IterationReport, Lexicon, Model, Part, map_safetensors
from weam_ray.align.links import Alignments
from weam_ray.align.protocol import Decode, FitJob, Fitted
from weam_ray.cluster.capacity import num_slots, slots_of_node
from weam_ray.cluster.memory import give_back_memory
from weam_ray.cluster.tasks import RayTasks, Shared, stream
from weam_ray.corpus.words import Segmentation, Words, segment
from weam_ray.errors import UserError
from weam_ray.settings.base import Role
from weam_ray.settings.data import AlignSection, CorpusSection
from weam_ray.settings.keys import keys_only_for
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Stage, StageFile

SETTINGS = keys_only_for(AlignSection, "fast_align")
MOST_ROWS_OF_SHARD = 32_000
FEWEST_ROWS_OF_SHARD = 2_000
MOST_ROWS_OF_TASK = 200_000  # of a language pair that threads of one task fit, in some 3 GB
SHARDS_OF_THREAD = 2  # a thread that is held up by others does fewer of them
MODEL = "model"
WORDS = "words"


@dataclass(frozen=True)
class ShardText:
    """Rows of some files of the corpus: (file, first row, row after the last)."""

    corpus: Stage
    slices: tuple[tuple[StageFile, int, int], ...]
    segmentation: Segmentation

    def __call__(self) -> tuple[Words, Words]:
        tables = [self.corpus.read_parquet(file).slice(begin, end - begin) for file, begin, end in self.slices]
        text = pa.concat_tables(tables).combine_chunks()
        source, target = (segment(text[side].combine_chunks(), self.segmentation) for side in ("source", "target"))
        return source, target


def shard_texts(corpus: Stage, pair: str, num_shards: int, segmentation: Segmentation) -> list[ShardText]:
    """Cut the training rows of a language pair into `num_shards` runs of (nearly) the same length."""
    files = [file for file in corpus.files("train") if file.info["language_pair"] == pair]
    ends = np.cumsum([file.rows for file in files])
    bounds = [int(ends[-1]) * shard // num_shards for shard in range(num_shards + 1)]
    shards = []
    for first, last in pairwise(bounds):
        slices = []
        for file, end in zip(files, ends.tolist(), strict=True):
            begin = end - file.rows
            if max(first, begin) < min(last, end):
                slices.append((file, max(first, begin) - begin, min(last, end) - begin))
        shards.append(ShardText(corpus, tuple(slices), segmentation))
    return shards


class FastAlign:
    """The aligner of Dyer, Chahuneau & Smith 2013: IBM model 2 with a diagonal prior."""

    sharded: ClassVar[bool] = True

    def settings(self, align: AlignSection, seed: int) -> dict[str, Any]:
        tree = align.counted(Role.RESULT)
        return {key: tree[key] for key in SETTINGS if key in tree}

    def inputs(self, corpus: CorpusSection, hashes: SourceHashes) -> dict[str, str]:
        return {}

    def fit(self, job: FitJob, pairs: Sequence[str]) -> dict[str, Fitted]:
        """Fit the language pairs side by side, at most as many as there are tasks at once."""
        slots = num_slots(job.num_cpus)
        at_once = min(len(pairs), max(1, int(slots)))
        with ThreadPoolExecutor(at_once, thread_name_prefix="fast_align") as pool:
            fitted = pool.map(partial(fit_pair, job, slots / at_once), pairs)
            return dict(zip(pairs, fitted, strict=True))

    def decoder(self, align: AlignSection, aligner: Stage, pair: str) -> "FastAlignDecoder":
        files = {file.label: file for file in aligner.files(MODEL) if file.info["language_pair"] == pair}
        if not files:
            known = sorted({file.info["language_pair"] for file in aligner.files(MODEL)})
            raise UserError(f"The model in {aligner.folder.path} is of {', '.join(known)}, not of {pair}.")
        stored = StoredModel(aligner, files.pop(f"{pair}.{WORDS}"), tuple(files.values()))
        size = sum(file.size for file in (stored.words, *stored.parts))
        shared = Shared(stored.load()) if size <= align.memory_limit else None
        return FastAlignDecoder(stored, shared, align.lowercase)


@dataclass(frozen=True)
class KeepPart:
    """Writes a part of a model, in the task that makes it."""

    attempt: Attempt
    pair: str

    def __call__(self, number: int, part: Part) -> StageFile:
        info: dict[str, Any] = {"language_pair": self.pair, "num_pairs": len(part.columns)}
        return self.attempt.write(MODEL, f"{self.pair}.{number:05d}", part.pieces(), suffix=".safetensors", **info)


def fit_pair(job: FitJob, slots: float, pair: str) -> Fitted:
    """Fit one language pair; the parts of its model are written by the tasks that make them."""
    rows = sum(file.rows for file in job.corpus.files("train") if file.info["language_pair"] == pair)
    cpus, segmentation, keep_part = job.num_cpus, job.sources.segmentation, KeepPart(job.attempt, pair)
    progress = FitProgress(pair, rows, job.align.iterations)
    if job.align.num_shards is None and rows <= MOST_ROWS_OF_TASK:
        threads = max(1, min(int(slots), int(slots_of_node(cpus)), rows // FEWEST_ROWS_OF_SHARD))
        shards = shard_texts(job.corpus, pair, SHARDS_OF_THREAD * threads, segmentation)
        for entry in stream(fit_here, cpus * threads, threads, shards, job.align, segmentation, keep_part):
            if isinstance(entry, IterationReport):
                progress(entry)
            else:
                lexicon, parts = entry
    else:
        number = job.align.num_shards or max(int(slots), -(-rows // MOST_ROWS_OF_SHARD))
        shards = shard_texts(job.corpus, pair, min(number, rows), segmentation)
        lexicon, parts = fit(shards, job.align, segmentation, RayTasks(cpus), keep_part, progress)
    words = job.attempt.write(MODEL, f"{pair}.{WORDS}", lexicon.pieces(), suffix=".safetensors", language_pair=pair)
    info = {
        "iterations": [asdict(report) for report in lexicon.parameters.reports],
        "tension": list(lexicon.parameters.tensions),
        "num_pairs": sum(file.info["num_pairs"] for file in parts),
    }
    return Fitted([words, *parts], info)


def fit_here(
    threads: int,
    shards: Sequence[ShardText],
    settings: AlignSection,
    segmentation: Segmentation,
    keep_part: Callable[[int, Part], StageFile],
) -> Iterator[IterationReport | tuple[Lexicon, list[StageFile]]]:
    """Run `fit` by threads of this process; yield its reports as they come, then what it returns."""
    give_back_memory()
    reports: SimpleQueue[IterationReport | None] = SimpleQueue()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fit, shards, settings, segmentation, Threads(threads), keep_part, reports.put)
        done.add_done_callback(lambda _: reports.put(None))
        while (report := reports.get()) is not None:
            yield report
        yield done.result()


class FitProgress:
    """Prints a line an iteration: perplexity and tension of both directions, and how fast it went."""

    def __init__(self, pair: str, num_rows: int, iterations: int) -> None:
        self.pair, self.num_rows, self.iterations = pair, num_rows, iterations
        self.latest: dict[str, IterationReport] = {}
        self.started = time.monotonic()

    def __call__(self, report: IterationReport) -> None:
        self.latest[report.direction] = report
        if report.direction != "reverse":
            return
        seconds = time.monotonic() - self.started
        both = self.latest["forward"], self.latest["reverse"]
        print(
            f"align {self.pair}: iteration {report.iteration} of {self.iterations}: "
            f"perplexity {' and '.join(f'{entry.perplexity:.6g}' for entry in both)}, "
            f"tension {' and '.join(f'{entry.tension:.4f}' for entry in both)}, "
            f"{self.num_rows / seconds:,.0f} pairs/s"
        )
        self.started = time.monotonic()


@dataclass(frozen=True)
class StoredModel:
    """Where a model is; `load` maps it into memory."""

    stage: Stage
    words: StageFile
    parts: tuple[StageFile, ...]

    def load(self) -> Model:
        lexicon = Lexicon.of(*map_safetensors(self.stage.local_path(self.words)))
        return Model(lexicon, tuple(Part.of(*map_safetensors(self.stage.local_path(part))) for part in self.parts))


@dataclass(frozen=True)
class FastAlignDecoder:
    """Decodes with a model in shared memory (`shared`), or with one that is mapped from its files."""

    stored: StoredModel
    shared: Shared | None
    lowercase: bool

    def open(self, file: StageFile) -> Decode:
        model: Model = self.stored.load() if self.shared is None else self.shared.get()

        def decode(first: int, source: Words, target: Words) -> Alignments:
            return model.align(Bitext(Side.of(source, self.lowercase), Side.of(target, self.lowercase)))

        return decode
