"""Unpaired text through all stages and into a run: rows kept to account, no links, held-out sentences left out."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import main_job
from tests.support.main_job import write_moses
from weam_ray.errors import UserError
from weam_ray.jobs.align import Alignment
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.pipeline import Data, StagePlan, run_stages
from weam_ray.settings.config import Config, load_config
from weam_ray.store.home import Home
from weam_ray.train.log import read_steps

LINES = [f"the {word} of number {number} stands alone" for number in range(30) for word in ("tower", "garden")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpaired")
    source, _ = write_moses(folder)
    shared = source.read_text(encoding="utf-8").splitlines()
    lines = [*LINES, "", "nul \0 here", *shared, " ".join(["word"] * 300)]
    (folder / "mono.en.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


def config_of(place: Path, *overrides: str, pairs: bool = True) -> Config:
    tree = main_job.config_of(place, *overrides).tree()
    text = {"format": "text", "path": str(place / "mono.en.gz"), "language": "en"}
    tree["corpus"]["sources"] = [*(tree["corpus"]["sources"] if pairs else []), text]
    return Config.model_validate(tree)


def data_of(config: Config, place: Path) -> Data:
    home = Home.of(config, place)
    return run_stages(config, home.store, StagePlan.of(config, home.source_hashes()))


def rows(data: Data, part: str) -> list[dict[str, Any]]:
    return [
        row
        for file in data.encoded.files(part)
        if file.info["language_pair"] == "en"
        for row in data.encoded.read_arrow(file).to_pylist()
    ]


@pytest.mark.ray
def test_stages_beside_pairs(ray_session: None, place: Path) -> None:
    data = data_of(config_of(place), place)
    counts = data.corpus.counts
    assert counts.rows_in == 120 + len(LINES) + 2 + 120 + 1
    assert counts.rows_in == counts.rows_out + sum(counts.rejected.values())
    assert (counts.rejected["blank"], counts.rejected["nul"], counts.rejected["too_long"]) == (1, 1, 1)
    assert counts.rejected["held_out_elsewhere"] > 0
    held_out = {
        row["source"] for file in data.corpus.files("held_out") for row in data.corpus.read_parquet(file).to_pylist()
    }
    trained = {
        row["source"] for file in data.corpus.files("train") for row in data.corpus.read_parquet(file).to_pylist()
    }
    assert held_out
    assert not held_out & trained
    alone = rows(data, "train")
    assert len(alone) > 100
    for row in alone:
        assert (row["target_lang"], row["target_ids"], row["target_word_ids"], row["token_links"]) == ("", [], [], [])
        assert row["num_tokens"] == len(row["source_ids"]) > 0
        assert row["source_word_ids"][0] == 0
    assert {file.info["language_pair"] for file in data.aligner.files("model")} == {"en-xx"}


@pytest.mark.ray
def test_given_links_are_of_pairs_alone(ray_session: None, place: Path) -> None:
    config = config_of(place, "objective=mlm", "align.aligner=pharaoh", pairs=False)
    data = data_of(config, place)
    assert len(rows(data, "train")) > 100
    assert data.aligner.files("links") == []


@pytest.mark.slow
@pytest.mark.ray
def test_a_base_encoder_of_unpaired_text_alone(ray_session: None, place: Path) -> None:
    job = Pretraining.of(config_of(place, "objective=mlm", pairs=False), place)
    result = job.run()
    assert (result["retrieval"]["after"], result["loss"]["after"]) == ({}, {})
    assert list(result["sentences"]["after"]) == ["en"]
    assert result["sentences"]["after"]["en"]["masked_tokens"] > 0
    assert len(read_steps(job.folder.path / "losses.jsonl")) == 6
    assert result["padding_share"] < 0.2
    assert json.loads((job.folder.path / "result.json").read_text(encoding="utf-8"))["steps"] == 6


@pytest.mark.slow
@pytest.mark.ray
def test_a_mixture_over_pairs_and_unpaired_text(ray_session: None, place: Path) -> None:
    mixture = ("objective.name=mixture", "objective.mixture={mlm: 0.5, weam: 1.0, word_aligned: 0.1}")
    job = Pretraining.of(config_of(place, *mixture), place)
    result = job.run()
    assert list(result["retrieval"]["after"]) == ["xx"]
    assert list(result["sentences"]["after"]) == ["en", "xx"]
    assert {"mlm/multilingual_loss", "weam/cross_lingual_loss", "word_aligned/alignment_loss"} <= set(
        read_steps(job.folder.path / "losses.jsonl")[0]
    )


@pytest.mark.parametrize("objective", ["weam", "tlm", "word_aligned"])
def test_objectives_of_pairs_need_pairs(place: Path, objective: str) -> None:
    text = f"corpus.sources=[{{format: text, path: {place / 'mono.en.gz'}, language: en}}]"
    with pytest.raises(UserError, match=f"objective {objective} learns from pairs, but every source is unpaired text"):
        load_config("bundled", [text, f"objective={objective}"])


def test_masking_of_linked_words_needs_pairs(place: Path) -> None:
    text = f"corpus.sources=[{{format: text, path: {place / 'mono.en.gz'}, language: en}}]"
    with pytest.raises(UserError, match=r"masking aligned masks words with links, but every source is unpaired text"):
        load_config("bundled", [text, "objective=mlm", "objective.masking=aligned"])


def test_nothing_to_align(place: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.sources\.1: .*mono\.en\.gz is unpaired text, with nothing to align"):
        Alignment.of(config_of(place, f"output.dir={place / 'aligned'}"), place)
