"""Scores of studies as tests make them up."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weam_ray.study.table import SCHEMA, Scores

FIRST = {"intermediate": "none", "setting": "zero-shot", "task": "sib200", "metric": "accuracy"}


def row(
    system: str, value: float, weights: str, seed: int | None, fine_tuning: int | None = 1, **more: Any
) -> dict[str, Any]:
    """A row of the table of a study, in the language `de` of SIB-200 unless something else is said."""
    found = dict.fromkeys(SCHEMA.names)
    given = {"system": system, "value": value, "weights": weights, "pretraining_seed": seed}
    return {**found, **FIRST, "language": "de", "chosen": True, **given, "finetuning_seed": fine_tuning, **more}


def trained(system: str, values: Sequence[float], **more: Any) -> list[dict[str, Any]]:
    """A system that was pre-trained with several seeds, each fine-tuned with one of its own."""
    return [row(system, value, f"{system}-{k}", k, k, **more) for k, value in enumerate(values, 1)]


def given(system: str, values: Sequence[float], **more: Any) -> list[dict[str, Any]]:
    """One encoder that no study trains, fine-tuned with several seeds."""
    return [row(system, value, system, None, k, **more) for k, value in enumerate(values, 1)]


def scores(*rows: Iterable[Mapping[str, Any]]) -> Scores:
    return Scores.of([own for part in rows for own in part])


def settings_tree(**more: Any) -> dict[str, Any]:
    """The settings of a study of three systems, as a tree of plain values."""
    systems = {"plain": None, "tlm": {"objective.name": "tlm"}, "weam": {"objective.name": "weam"}}
    base = {"objective.name": "mlm"}
    return {"systems": systems, "pretraining": {"base": base}, "evaluation": {"tasks": ["alignment"]}, **more}


def claim(better: Any = "weam", than: Any = "tlm", **more: Any) -> dict[str, Any]:
    """A claim that one system, or arm, is better than another."""
    sides = {key: {"system": own} if isinstance(own, str) else own for key, own in (("better", better), ("than", than))}
    return {"name": "claimed", "statement": "It is so.", **sides, **more}


TINY = {
    "corpus.rows_per_shard": 40,
    "corpus.held_out": 20,
    "tokenizer.vocab_size": 200,
    "encoder.scratch": {
        "num_layers": 1,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "max_positions": 64,
    },
    "training.batch_size": 8,
    "training.max_length": 48,
    "training.max_steps": 2,
    "training.threads_per_worker": 1,
    "evaluation.layer": 1,
}


def tiny_study(place: Path, **more: Any) -> dict[str, Any]:
    """A study of three systems by two seeds, on sentence retrieval and the topics of SIB-200, as a tree.

    Args:
        place: a folder with the files of `write_moses`, and those of `write_sib200` in `data/`.
    """
    source = {
        "format": "moses",
        "source": str(place / "text.en"),
        "target": str(place / "text.xx"),
        "source_lang": "en",
        "target_lang": "xx",
    }
    return {
        "name": "tiny",
        "home": str(place / "home"),
        "data_root": str(place / "data"),
        "pretraining": {"set": {**TINY, "corpus.sources": [source]}, "base": {"objective.name": "mlm"}},
        "systems": {"plain": None, "weam": {"objective.name": "weam"}, "copy": {"objective.name": "weam"}},
        "pretraining_seeds": 2,
        "evaluation": {
            "tasks": ["alignment", "sib200"],
            "languages": ["de", "tl"],
            "recipe": {"epochs": 1, "max_length": 32},
        },
        "groups": {"low": ["tl"]},
        "claims": [
            claim("weam", "plain", name="gain", on={"tasks": ["sib200"], "languages": ["low"]}),
            claim("copy", "weam", name="copy", on={"tasks": ["sib200"]}),
        ],
        **more,
    }
