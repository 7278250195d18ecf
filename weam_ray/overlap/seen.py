"""Stage `seen`: the record of what a run trains on, with that of the encoder that it begins from."""

import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weam_ray.align.model_folder import read_manifest
from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.corpus.stage import CorpusStage
from weam_ray.model.encoder import SCRATCH
from weam_ray.overlap.record import FILE, Record, sentence_names
from weam_ray.settings.data import AlignSection
from weam_ray.settings.encoder import EncoderSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput

RECORD = "record"


@dataclass(frozen=True)
class SeenStage(StageDefinition):
    """The stage `seen`.

    Args:
        base: the hash of the record of the encoder that is gone on from; empty where it has none.
        unknown: the name of that encoder, if it has no record; empty where there is no such encoder.
        aligner: the fingerprint of the corpus that the model of `align.model` was fitted on; empty where it is not
            known, or there is no such model.
    """

    name: ClassVar[str] = "seen"
    version: ClassVar[int] = 1

    corpus: CorpusStage
    encoder: EncoderSection
    base: str
    unknown: str
    aligner: str

    @classmethod
    def of(cls, corpus: CorpusStage, encoder: EncoderSection, align: AlignSection, hashes: SourceHashes) -> "SeenStage":
        """Hash the record of the encoder, and ask the fitted aligner for its corpus."""
        begins = encoder.name != SCRATCH
        file = Path(encoder.name) / FILE
        base = hashes.sha256(file) if begins and file.is_file() else ""
        unknown = Path(encoder.name).name if begins and not base else ""
        aligner = "" if align.model is None else read_manifest(align.model)[1].get("corpus", "")
        return cls(corpus, encoder, base, unknown, aligner)

    @property
    def settings(self) -> dict[str, Any]:
        return {"unknown": self.unknown}

    @property
    def inputs(self) -> dict[str, str]:
        return {"corpus": self.corpus.fingerprint, "base": self.base, "aligner": self.aligner}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Name the sentences of all training shards, one task a shard.

        Raises:
            UserError: the record of the encoder is damaged.
        """
        corpus = committed[self.corpus]
        files = corpus.files("train")
        tasks = RayTasks(num_cpus)
        waiting = [tasks.submit(names_of_shard, corpus, file) for file in files]
        names = [tasks.get(reference) for reference in progress(waiting, "seen")]
        about = {
            "corpora": (self.corpus.fingerprint,),
            "aligners": (self.aligner,) if self.aligner not in ("", self.corpus.fingerprint) else (),
            "unknown": (self.unknown,) if self.unknown else (),
        }
        record = Record(np.unique(np.concatenate(names)), **about)
        base = Record.beside(self.encoder.name) if self.base else None
        record = record if base is None else record.joined(base)
        file = attempt.write(RECORD, FILE, record.to_bytes(), len(record.names))
        rows = sum(file.rows for file in files)
        return StageOutput([file], Counts(rows, rows), json.loads(json.dumps(record.about)))


def names_of_shard(corpus: Stage, file: StageFile) -> NDArray[np.int64]:
    """The names of the sentences of both sides of a shard."""
    table = corpus.read_parquet(file, ["source", "target"])
    return reduce(np.union1d, (sentence_names(table[side].to_pylist()) for side in table.column_names))


def record_bytes(seen: Stage) -> bytes:
    """The file with the record, as it lies beside a model."""
    (file,) = seen.files(RECORD)
    return seen.read(file)
