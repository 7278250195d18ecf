"""The main job as tests start it, in this process: a small corpus, a tiny encoder, and what the run leaves."""

import re
from pathlib import Path

from weam_ray.jobs.pretrain import Pretraining
from weam_ray.settings.config import Config, load_config
from weam_ray.train.log import read_steps

# what libraries say by themselves: lines of their loggers, of MLflow's tables, of Ray's start and end
CHATTER = re.compile(
    r"\b(DEBUG|INFO|WARNING|ERROR)\b|Warning:|alembic|authentication|Ray instance|gcs|GCS|Loading weights"
)


def chatter(said: str) -> list[str]:
    """The lines of a job's output that are not the job's own, and the blank ones."""
    return [line for line in said.replace("\r", "\n").splitlines() if not line.strip() or CHATTER.search(line)]


def write_moses(folder: Path, num_pairs: int = 120) -> tuple[Path, Path]:
    """Two line-aligned files of a small made-up language pair, en and xx: word n of one is word n of the other."""
    nouns = ["house", "river", "dog", "cat", "king", "tree", "stone", "bread", "water", "fire", "hand", "road"]
    verbs = ["sees", "takes", "finds", "loves", "leaves"]
    english, other = [], []
    for number in range(num_pairs):
        first, second = nouns[number % 12], nouns[(number // 12 + number * 5) % 12]
        verb = verbs[number % 5]
        english.append(f"the {first} {verb} the {second} number {number} .")
        other.append(f"da {first[::-1]}u {verb[::-1]}o da {second[::-1]}u numeru {number} .")
    source, target = folder / "text.en", folder / "text.xx"
    source.write_text("\n".join(english) + "\n", encoding="utf-8")
    target.write_text("\n".join(other) + "\n", encoding="utf-8")
    return source, target


def tiny_overrides(home: Path, files: tuple[Path, Path]) -> list[str]:
    """Overrides of `bundled` for a run of seconds on two small files."""
    return [
        f"home={home}",
        f"corpus.sources=[{{format: moses, source: {files[0]}, target: {files[1]}, source_lang: en, target_lang: xx}}]",
        "corpus.rows_per_shard=40",
        "tokenizer.vocab_size=200",
        "encoder.scratch={num_layers: 1, hidden_size: 16, num_heads: 2, intermediate_size: 32, max_positions: 64}",
        "encoder.dropout=0.1",
        "training.max_steps=6",
        "training.batch_size=8",
        "training.max_length=48",
        "training.checkpoint_steps=2",
        "training.threads_per_worker=1",
        "evaluation.layer=1",
    ]


def config_of(place: Path, *overrides: str) -> Config:
    """The configuration of a run of seconds, on the corpus of a folder."""
    files = (place / "text.en", place / "text.xx")
    return load_config("bundled", [*tiny_overrides(place / "home", files), *overrides])


def run(place: Path, *overrides: str) -> Path:
    """The folder of a run, from its start to its end."""
    job = Pretraining.of(config_of(place, *overrides), place)
    job.run()
    return job.folder.path


def losses(folder: Path) -> list[float]:
    return [entry["loss"] for entry in read_steps(folder / "losses.jsonl")]
