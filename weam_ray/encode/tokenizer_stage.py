"""Stage `tokenizer`: a WordPiece tokenizer of the corpus; and the tokenizer of a run."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weam_ray.cluster.tasks import map_items
from weam_ray.model.tokenizer import load_tokenizer, train_wordpiece
from weam_ray.settings.config import Config
from weam_ray.store.stages import Attempt, Counts, Stage, StageFile, StageOutput, StageSpec, StageStore

TOKENIZER_VERSION = 1


def tokenizer_spec(config: Config, corpus: str) -> StageSpec:
    settings = {
        **config.tokenizer.model_dump(mode="json"),
        "max_positions": config.encoder.scratch.max_positions,
    }
    return StageSpec("tokenizer", TOKENIZER_VERSION, settings, {"corpus": corpus})


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


def tokenizer_stage(config: Config, store: StageStore, spec: StageSpec, corpus: Stage) -> Stage:
    """Train a WordPiece tokenizer on both sides of the training pairs."""

    def builder(attempt: Attempt) -> StageOutput:
        def train(_: dict[str, Any]) -> dict[str, Any]:
            tokenizer = train_wordpiece(
                Texts(corpus, "train"),
                config.tokenizer,
                config.encoder.scratch.max_positions,
                others=Texts(corpus, "held_out"),
            )
            with tempfile.TemporaryDirectory() as folder:
                tokenizer.save_pretrained(folder)
                saved = sorted(Path(folder).iterdir())
                files = [attempt.write("tokenizer", path.name, path.read_bytes()) for path in saved]
            return {"files": [asdict(file) for file in files], "vocab_size": len(tokenizer)}

        (result,) = map_items([{}], train, "tokenizer", config.cluster.data_cpus)
        rows = sum(file.rows for file in corpus.files("train"))
        files = [StageFile(**file) for file in result["files"]]
        return StageOutput(files, Counts(rows, rows), {"vocab_size": result["vocab_size"]})

    return store.build(spec, builder)


def unpack(stage: Stage, part: str, folder: str | Path) -> Path:
    """Write the files of a part under their labels, for libraries that load a folder."""
    for file in stage.files(part):
        (Path(folder) / file.label).write_bytes(stage.read(file))
    return Path(folder)


def stage_tokenizer(config: Config, tokenizer: Stage | None) -> Any:
    """The tokenizer of a run: the trained one, or that of the encoder."""
    if tokenizer is None:
        return load_tokenizer(config.encoder.name, config.encoder.revision)
    with tempfile.TemporaryDirectory() as folder:
        return load_tokenizer(unpack(tokenizer, "tokenizer", folder))
