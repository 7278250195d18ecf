"""Stage `tokenizer`: a WordPiece tokenizer of the corpus; and the tokenizer of a run."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.stage import CorpusStage
from weam_ray.model.encoder import encoder_fingerprint
from weam_ray.model.tokenizer import load_tokenizer, train_wordpiece
from weam_ray.settings.data import TokenizerSection
from weam_ray.settings.encoder import EncoderSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput


@dataclass(frozen=True)
class TokenizerStage(StageDefinition):
    """The stage `tokenizer`."""

    name: ClassVar[str] = "tokenizer"
    version: ClassVar[int] = 1

    tokenizer: TokenizerSection
    max_positions: int
    corpus: CorpusStage

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Train a WordPiece tokenizer on both sides of the training pairs, in one task."""
        corpus = committed[self.corpus]
        (result,) = map_items([{}], partial(train, self, corpus, attempt), "tokenizer", num_cpus)
        rows = sum(file.rows for file in corpus.files("train"))
        files = [StageFile(**file) for file in result["files"]]
        return StageOutput(files, Counts(rows, rows), {"vocab_size": result["vocab_size"]})


@dataclass(frozen=True)
class Texts:
    """Both sides of the pairs of a part of the corpus, as often as they are asked for."""

    corpus: Stage
    part: str

    def __iter__(self) -> Iterator[str]:
        for file in self.corpus.files(self.part):
            table = self.corpus.read_parquet(file)
            yield from table["source"].to_pylist()
            yield from table["target"].to_pylist()


def train(stage: TokenizerStage, corpus: Stage, attempt: Attempt, _: dict[str, Any]) -> dict[str, Any]:
    """Train the tokenizer and write its files."""
    tokenizer = train_wordpiece(
        Texts(corpus, "train"), stage.tokenizer, stage.max_positions, others=Texts(corpus, "held_out")
    )
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        saved = sorted(Path(folder).iterdir())
        files = [attempt.write("tokenizer", path.name, path.read_bytes()) for path in saved]
    return {"files": [asdict(file) for file in files], "vocab_size": len(tokenizer)}


@dataclass(frozen=True)
class EncoderTokenizer:
    """The tokenizer that an encoder comes with."""

    encoder: EncoderSection
    fingerprint: str

    @classmethod
    def of(cls, encoder: EncoderSection, hashes: SourceHashes) -> "EncoderTokenizer":
        """Hash the files of the tokenizer.

        Raises:
            UserError: the encoder cannot be had.
        """
        return cls(encoder, encoder_fingerprint(encoder, hashes, only_tokenizer=True))


def unpack(stage: Stage, part: str, folder: str | Path) -> Path:
    """Write the files of a part under their labels, for libraries that load a folder."""
    for file in stage.files(part):
        (Path(folder) / file.label).write_bytes(stage.read(file))
    return Path(folder)


def load_trained(tokenizer: Stage) -> Any:
    """Load the tokenizer of a stage `tokenizer`."""
    with tempfile.TemporaryDirectory() as folder:
        return load_tokenizer(unpack(tokenizer, "tokenizer", folder))
