"""Stage `seen`: the record of what a run trains on, with those of the encoder and of the run that it begins from."""

import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weam_ray.align.model_folder import read_manifest
from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.corpus.sentences import sentence_names
from weam_ray.corpus.stage import CorpusStage
from weam_ray.model.encoder import SCRATCH
from weam_ray.overlap.record import EFLOMAL, FILE, FILES, MODEL, Record
from weam_ray.settings.data import AlignSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput

RECORD = "record"


@dataclass(frozen=True)
class SeenStage(StageDefinition):
    """The stage `seen`.

    Args:
        bases: the folders of the encoder and of the run that this one begins from, those of them with a record.
        hashes: the hashes of these records.
        unknown: the names of those without a record.
        aligner: the fingerprint of the corpus that the model of `align.model` was fitted on; empty where it is not
            known, or there is no such model.
        links: where word links come from, as a `Record` has it; empty where that is the training text alone.
    """

    name: ClassVar[str] = "seen"
    version: ClassVar[int] = 2

    corpus: CorpusStage
    bases: tuple[str, ...]
    hashes: tuple[str, ...]
    unknown: tuple[str, ...]
    aligner: str
    links: str

    @classmethod
    def of(
        cls, corpus: CorpusStage, encoder: str, origin: str | None, align: AlignSection, hashes: SourceHashes
    ) -> "SeenStage":
        """Hash the records of what a run begins from, and ask the fitted aligner for its corpus.

        Args:
            encoder: its name or folder.
            origin: the folder of the run of `training.continue_from`.
        """
        begins = ([] if encoder == SCRATCH else [encoder]) + ([] if origin is None else [origin])
        bases = tuple(base for base in begins if (Path(base) / FILE).is_file())
        unknown = tuple(Path(base).name for base in begins if base not in bases)
        aligner = "" if align.model is None else read_manifest(align.model)[1].get("corpus", "")
        links = {"pharaoh": FILES, "eflomal": EFLOMAL}.get(align.aligner, "")
        if align.model is not None and not aligner:
            links = MODEL
        return cls(corpus, bases, tuple(hashes.sha256(Path(base) / FILE) for base in bases), unknown, aligner, links)

    @property
    def settings(self) -> dict[str, Any]:
        return {"unknown": ",".join(self.unknown), **({"links": self.links} if self.links else {})}

    @property
    def inputs(self) -> dict[str, str]:
        return {"corpus": self.corpus.fingerprint, "base": ",".join(self.hashes), "aligner": self.aligner}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Name the sentences of all training shards, one task a shard.

        Raises:
            UserError: the record of the encoder or of the run is damaged.
        """
        corpus = committed[self.corpus]
        files = corpus.files("train")
        tasks = RayTasks(num_cpus)
        waiting = [tasks.submit(names_of_shard, corpus, file) for file in files]
        names = [tasks.get(reference) for reference in progress(waiting, "seen")]
        aligners = (self.aligner,) if self.aligner not in ("", self.corpus.fingerprint) else ()
        links = (self.links,) if self.links else ()
        own = Record(np.unique(np.concatenate(names)), (self.corpus.fingerprint,), aligners, self.unknown, links)
        bases = [base for folder in self.bases if (base := Record.beside(folder)) is not None]
        record = reduce(Record.joined, bases, own)
        file = attempt.write(RECORD, FILE, record.to_bytes(), len(record.names))
        rows = sum(file.rows for file in files)
        return StageOutput([file], Counts(rows, rows), json.loads(json.dumps(record.about)))


def names_of_shard(corpus: Stage, file: StageFile) -> NDArray[np.int64]:
    """The names of the sentences of both sides of a shard, and of those inside of its rows."""
    table = corpus.read_parquet(file, ["source", "target"])
    return reduce(np.union1d, (sentence_names(table[side].to_pylist()) for side in table.column_names))


def record_of(seen: Stage) -> Record:
    """The record that the stage made."""
    return Record.from_bytes(record_bytes(seen), seen.folder.path)


def record_bytes(seen: Stage) -> bytes:
    """The file with the record, as it lies beside a model."""
    (file,) = seen.files(RECORD)
    return seen.read(file)
