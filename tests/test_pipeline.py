"""The definitions of the data stages: each of their fields counts, and what is of machines does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from weam_ray.align.stage import AlignerStage
from weam_ray.pipeline import StagePlan
from weam_ray.settings.config import Config
from weam_ray.settings.data import AlignSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import StageDefinition


@pytest.fixture
def plan(tiny_config: Config, tmp_path: Path) -> StagePlan:
    return StagePlan.of(tiny_config, SourceHashes(tmp_path / "hashes.json"))


def test_every_field_counts(plan: StagePlan) -> None:
    def differ(stage: StageDefinition, **changes: Any) -> bool:
        return all(replace(stage, **{name: value}).fingerprint != stage.fingerprint for name, value in changes.items())

    def section(given: Any, **changes: Any) -> Any:
        return given.model_copy(update=changes)

    corpus, aligner, align, tokenizer, encode = plan.corpus, plan.aligner, plan.align, plan.tokenizer, plan.encode
    assert isinstance(aligner, AlignerStage)
    assert tokenizer is not None
    other = replace(corpus, corpus=section(corpus.corpus, held_out_seed=9))
    assert differ(corpus, corpus=section(corpus.corpus, max_words=7), files=[["another", "file"]])
    assert other.fingerprint != corpus.fingerprint
    assert differ(tokenizer, tokenizer=section(tokenizer.tokenizer, lowercase=True), max_positions=7, corpus=other)
    assert differ(aligner, align=section(align.align, iterations=9), corpus=other, files={"links 0": "a"})
    assert differ(
        replace(aligner, align=AlignSection(aligner="eflomal")), align=AlignSection(aligner="pharaoh"), seed=9
    )
    assert differ(
        align,
        align=section(align.align, lowercase=not align.align.lowercase),
        corpus=other,
        aligner=replace(aligner, corpus=other),
    )
    assert differ(
        encode,
        encode=section(encode.encode, symmetrization="union"),
        align=replace(align, corpus=other),
        tokenizer=replace(tokenizer, max_positions=7),
    )
    assert differ(plan.seen, corpus=other, hashes=("f00d",), unknown=("bert",), aligner="beef")


def test_what_is_of_machines_does_not_count(plan: StagePlan) -> None:
    align = plan.align.align.model_copy(update={"num_shards": 3, "memory_limit": 0})
    assert replace(plan.aligner, align=align).fingerprint == plan.aligner.fingerprint
    assert replace(plan.align, align=align).fingerprint == plan.align.fingerprint


def test_stages_stand_in_the_order_of_the_flow(plan: StagePlan) -> None:
    assert [stage.name for stage in plan.stages] == ["corpus", "tokenizer", "aligner", "align", "encode", "seen"]


def test_seeds_of_a_training_move_no_data(tiny_config: Config, plan: StagePlan, tmp_path: Path) -> None:
    """Its pairs to measure on, links and tokenizer are those of runs with other seeds, so that they are one system."""
    seeds = tiny_config.seeds.model_copy(update={"data": 9, "masking": 9, "model": 9})
    other = StagePlan.of(tiny_config.model_copy(update={"seeds": seeds}), SourceHashes(tmp_path / "hashes.json"))
    assert [stage.fingerprint for stage in other.stages] == [stage.fingerprint for stage in plan.stages]
