"""What must stay as it is, however the code is arranged: names of stages and runs, and what a small run computes.

A fingerprint that changes here makes every user build stages anew, and begin runs and searches from the start.
"""

import gzip
from pathlib import Path

import pytest

from tests.support.main_job import losses, run, write_moses
from weam_ray.pipeline import StagePlan, run_fingerprint
from weam_ray.settings.config import load_config
from weam_ray.store.files import SourceHashes, fingerprint


def stand_ins(config: str, folder: Path) -> list[str]:
    """Overrides that name small files and an encoder's folder, written here, instead of those that users have."""
    if config == "lab":
        texts = folder / "bible"
        texts.mkdir(parents=True)
        for language in ("en", "de", "fr", "es", "ru", "ar", "vi", "tl"):
            text = "".join(f"{language} {verse}\n" for verse in range(3))
            (texts / f"{language}.txt.gz").write_bytes(gzip.compress(text.encode(), compresslevel=0, mtime=0))
        return [f"data_root={folder}"]
    if config == "paper":
        encoder = folder / "encoder"
        encoder.mkdir(parents=True)
        for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt"):
            (encoder / name).write_text(f"stand-in for {name}\n", encoding="utf-8")
        return [f"encoder.name={encoder}"]
    return []


def fingerprints(name: str, folder: Path) -> dict[str, str]:
    """The fingerprints of the stages of a shipped configuration and of its run."""
    config = load_config(name, stand_ins(name, folder))
    hashes = SourceHashes(folder / "sources.json")
    plan = StagePlan.of(config, hashes)
    stages = {stage.name: stage.fingerprint for stage in plan.stages}
    return {**stages, "run": run_fingerprint(config, plan)}


PINNED: dict[str, dict[str, str]] = {
    "bundled": {
        "corpus": "a15a12872fbda7df",
        "tokenizer": "83961b58dacc1dec",
        "aligner": "6a2da9e35ff6f09d",
        "align": "81e0041a0dab35cb",
        "encode": "d08abdeb576ae52e",
        "seen": "6ea6c16700f7c6df",
        "run": "bb880a986a804cf9",
    },
    "paper": {
        "corpus": "655350e4582bef6f",
        "aligner": "52da63e6ab0f53d6",
        "align": "c7784e6b4134a9e2",
        "encode": "0b7d588d33c67207",
        "seen": "2aae8d1a6f7efe97",
        "run": "2064e393ff6e40fe",
    },
    "lab": {
        "corpus": "a7c38b15c33b2969",
        "tokenizer": "4ff1256d2f29bb71",
        "aligner": "e65d25983fa2aac2",
        "align": "a92554df197cffc5",
        "encode": "1071631f29b1a5b1",
        "seen": "526516d51f217c71",
        "run": "fee69dfa57219037",
    },
}


@pytest.mark.parametrize("name", PINNED)
def test_fingerprints_of_shipped_configurations(name: str, tmp_path: Path) -> None:
    assert fingerprints(name, tmp_path) == PINNED[name]


@pytest.mark.parametrize("name", PINNED)
def test_no_fingerprint_depends_on_a_path(name: str, tmp_path: Path) -> None:
    assert fingerprints(name, tmp_path / "a") == fingerprints(name, tmp_path / "another place")


def test_names_of_parameters_in_mlflow() -> None:
    assert fingerprint(load_config("bundled").parameters()) == "5554fa576a113b41"


FILES = {
    "checkpoints",
    "config.yaml",
    "held_out.jsonl",
    "losses.jsonl",
    "model",
    "phases.jsonl",
    "result.json",
    "result.png",
    "seen.parquet",
    "state.json",
    "timings.jsonl",
}


@pytest.mark.ray
def test_a_small_run(ray_session: None, tmp_path: Path) -> None:
    write_moses(tmp_path)
    folder = run(tmp_path)
    assert folder.name == "bundled-bdf37fa4"
    assert losses(folder) == pytest.approx([10.58664, 10.55233, 10.48793, 10.35917, 10.43772, 10.31303], rel=1e-4)
    assert {path.name for path in folder.iterdir()} == FILES
