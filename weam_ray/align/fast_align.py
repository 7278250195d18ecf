"""FastAlign: IBM Model 2 with a diagonal prior and variational Bayes (Dyer, Chahuneau & Smith 2013).

Behaves as the published C++ program with `-d -o -v`, in both directions, but for what hurts its users: a pair with an
empty side gets no links and leaves the rest alone, and a saved model is the whole model.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from weam_ray.align import kernels
from weam_ray.align.alignments import Alignments
from weam_ray.config import AlignSection

FORMAT_VERSION = 1
NULL_ID = 0
UNKNOWN_ID = -1


@dataclass(frozen=True)
class Direction:
    """t(f|e) of one direction as a sparse table: row e holds `columns[row_offsets[e]:row_offsets[e + 1]]`, rising.

    `tension` is that of the last parameters, `length_ratio` the mean of m/n over the training pairs.
    """

    row_offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    table: NDArray[np.float64]
    tension: float
    length_ratio: float

    def __post_init__(self) -> None:
        for array in (self.row_offsets, self.columns, self.table):
            array.flags.writeable = False  # as when loaded, so that kernels are compiled for one kind of array


@dataclass(frozen=True)
class IterationReport:
    """What an iteration saw: cross entropy (bits), perplexity, share of null links; and the tension after it."""

    direction: str
    iteration: int
    cross_entropy: float
    perplexity: float
    null_share: float
    tension: float


@dataclass(frozen=True)
class Bitext:
    """Sentence pairs as word ids, one after another."""

    source: NDArray[np.int32]
    source_offsets: NDArray[np.int64]
    target: NDArray[np.int32]
    target_offsets: NDArray[np.int64]

    def swapped(self) -> "Bitext":
        return Bitext(self.target, self.target_offsets, self.source, self.source_offsets)


@dataclass(frozen=True)
class FastAlign:
    """A fitted model of one language pair, both directions."""

    source_words: list[str]
    target_words: list[str]
    forward: Direction
    reverse: Direction
    null_probability: float
    reports: list[IterationReport]

    @classmethod
    def fit(
        cls,
        pairs: Iterable[tuple[Sequence[str], Sequence[str]]],
        settings: AlignSection,
        report: Callable[[IterationReport], None] = lambda _: None,
    ) -> "FastAlign":
        """Fit both directions on the words of sentence pairs."""
        pairs = [(source, target) for source, target in pairs if source and target]
        assert pairs, "no pair with words on both sides"
        source_words = sorted({word for source, _ in pairs for word in source})
        target_words = sorted({word for _, target in pairs for word in target})
        source, source_offsets = to_ids([pair[0] for pair in pairs], source_words)
        target, target_offsets = to_ids([pair[1] for pair in pairs], target_words)
        bitext = Bitext(source, source_offsets, target, target_offsets)
        reports: list[IterationReport] = []

        def note(entry: IterationReport) -> None:
            reports.append(entry)
            report(entry)

        sizes = len(source_words), len(target_words)
        forward = fit_direction("forward", bitext, *sizes, settings, note)
        reverse = fit_direction("reverse", bitext.swapped(), *sizes[::-1], settings, note)
        return cls(source_words, target_words, forward, reverse, settings.null_probability, reports)

    def align(self, sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> Alignments:
        """Best links of both directions for sentence pairs, seen in training or not.

        Words are at most 32,767 a sentence. Unseen words have the probability 1e-9 with every other.
        """
        source, source_offsets = to_ids(sources, self.source_words)
        target, target_offsets = to_ids(targets, self.target_words)
        forward, reverse = self.forward, self.reverse
        decoded = kernels.decode(
            source,
            source_offsets,
            target,
            target_offsets,
            forward.row_offsets,
            forward.columns,
            forward.table,
            reverse.row_offsets,
            reverse.columns,
            reverse.table,
            (forward.tension, self.null_probability, forward.length_ratio),
            (reverse.tension, self.null_probability, reverse.length_ratio),
        )
        return Alignments.from_best(source_offsets, target_offsets, *decoded)

    def to_bytes(self) -> bytes:
        """The whole model as safetensors; `from_bytes` gives back the same bits."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, direction in (("forward", self.forward), ("reverse", self.reverse)):
            arrays[f"{name}.row_offsets"] = direction.row_offsets
            arrays[f"{name}.columns"] = direction.columns
            arrays[f"{name}.table"] = direction.table
        for name, vocabulary in (("source", self.source_words), ("target", self.target_words)):
            arrays[f"{name}.words"] = np.frombuffer("\n".join(vocabulary).encode(), np.uint8)
        values = {
            "format_version": FORMAT_VERSION,
            "null_probability": self.null_probability,
            "tension": [self.forward.tension, self.reverse.tension],
            "length_ratio": [self.forward.length_ratio, self.reverse.length_ratio],
            "reports": [asdict(entry) for entry in self.reports],
        }
        return safetensors.numpy.save(arrays, {"model": json.dumps(values)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "FastAlign":
        """A model that `to_bytes` wrote.

        Raises:
            ValueError: written by another version of the format.
        """
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        values = json.loads(header["__metadata__"]["model"])
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"FastAlign model of format {values['format_version']}; {FORMAT_VERSION} is expected")
        arrays = safetensors.numpy.load(data)
        directions = [
            Direction(
                arrays[f"{name}.row_offsets"],
                arrays[f"{name}.columns"],
                arrays[f"{name}.table"],
                values["tension"][number],
                values["length_ratio"][number],
            )
            for number, name in enumerate(("forward", "reverse"))
        ]
        vocabularies = [arrays[f"{name}.words"].tobytes().decode().split("\n") for name in ("source", "target")]
        reports = [IterationReport(**entry) for entry in values["reports"]]
        return cls(
            vocabularies[0],
            vocabularies[1],
            directions[0],
            directions[1],
            values["null_probability"],
            reports,
        )


def to_ids(
    sentences: Sequence[Sequence[str]], vocabulary: Sequence[str]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Word ids of sentences, one after another, and where each sentence begins; unknown words are -1."""
    ids = {word: number for number, word in enumerate(vocabulary, start=NULL_ID + 1)}
    flat = np.fromiter((ids.get(word, UNKNOWN_ID) for sentence in sentences for word in sentence), np.int32)
    offsets = np.zeros(len(sentences) + 1, np.int64)
    np.cumsum([len(sentence) for sentence in sentences], out=offsets[1:])
    return flat, offsets


def fit_direction(
    name: str,
    bitext: Bitext,
    num_source: int,
    num_target: int,
    settings: AlignSection,
    report: Callable[[IterationReport], None],
) -> Direction:
    """Fit t(f|e) and the tension of one direction; the last of `settings.iterations` iterations only decodes."""
    n, m = np.diff(bitext.source_offsets), np.diff(bitext.target_offsets)
    whole = (n > 0) & (m > 0)
    order = np.lexsort((n, m))
    order = order[whole[order]]
    num_tokens = int(m[whole].sum())
    length_ratio = float(np.mean(m[order] / n[order]))
    lengths, frequencies = np.unique(np.stack([m[order], n[order]], axis=1), axis=0, return_counts=True)

    positions, word_offsets = kernels.group_by_word(bitext.target, num_target)
    grouped = (bitext.source, bitext.source_offsets, bitext.target_offsets, positions, word_offsets)
    row_lengths = kernels.count_rows(*grouped, num_source, num_target)
    row_offsets = np.concatenate([[0], np.cumsum(row_lengths)])
    cell_offsets = np.concatenate([[0], np.cumsum(n * m)])
    cells = np.empty(cell_offsets[-1], np.int32 if row_offsets[-1] < 2**31 else np.int64)
    columns = kernels.fill_rows(*grouped, num_target, row_offsets, cell_offsets, cells)

    table = np.full(len(columns), kernels.UNSEEN)
    counts = np.zeros(len(columns), np.int64)
    tension = settings.tension
    for iteration in range(1, settings.iterations):
        likelihood, null_count, feature_sum = kernels.expectation(
            order, bitext.source_offsets, bitext.target, bitext.target_offsets, cell_offsets, cells, table, tension,
            settings.null_probability, counts,
        )  # fmt: skip
        if settings.optimize_tension and iteration > 1:
            empirical = feature_sum / kernels.COUNT_SCALE / num_tokens
            tension = kernels.optimize_tension(tension, empirical, lengths, frequencies, num_tokens)
        kernels.maximization(row_offsets, counts, settings.alpha, table)
        cross_entropy = -likelihood / 2**20 / np.log(2) / num_tokens
        null_share = null_count / kernels.COUNT_SCALE / num_tokens
        report(IterationReport(name, iteration, cross_entropy, float(2**cross_entropy), null_share, float(tension)))
    return Direction(row_offsets, columns, table, float(tension), length_ratio)
