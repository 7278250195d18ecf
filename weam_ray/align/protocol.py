"""What an aligner offers. `table` has the aligners by name.

An aligner is fitted once (stage `aligner`), then opened and asked for the links of every file (stage `align`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from weam_ray.align.links import Alignments
from weam_ray.corpus.words import Words
from weam_ray.settings.data import AlignSection, CorpusSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Stage, StageFile

# links of some rows of a file: the first of them, and the words of both sides
Decode = Callable[[int, Words, Words], Alignments]


class Decoder(Protocol):
    """A fitted aligner of one language pair, ready to be sent to the tasks that decode."""

    def open(self, file: StageFile) -> Decode:
        """To be called in the task that decodes a file of the corpus."""


@dataclass(frozen=True)
class Fitted:
    """What the stage `aligner` keeps of one language pair: files, and what is known of the fit."""

    files: list[StageFile]
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FitJob:
    """What an aligner is given to fit: settings, the corpus, where files are written, and the CPUs of a task."""

    align: AlignSection
    sources: CorpusSection
    seed: int
    corpus: Stage
    attempt: Attempt
    num_cpus: float


class Aligner(Protocol):
    """An aligner. `sharded`: whether one language pair is fitted by several tasks, and decoded file by file."""

    sharded: ClassVar[bool]

    def settings(self, align: AlignSection, seed: int) -> dict[str, Any]:
        """What the fit depends on, besides the corpus."""

    def inputs(self, corpus: CorpusSection, hashes: SourceHashes) -> dict[str, str]:
        """Fingerprints of files that the fit reads, besides the corpus."""

    def fit(self, job: FitJob, pairs: Sequence[str]) -> dict[str, Fitted]:
        """Fit every language pair; Ray must be up."""

    def decoder(self, align: AlignSection, aligner: Stage, pair: str) -> Decoder:
        """The fitted aligner of a language pair.

        Raises:
            UserError: the stage, such as a model from elsewhere, does not fit the settings.
        """
