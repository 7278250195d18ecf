"""What MLflow is told of a pre-training run or an alignment: description, tags, inputs, parameters, figures."""

import json
from pathlib import Path
from typing import Any

from weam_ray.align.table import table
from weam_ray.settings.base import TRACKED
from weam_ray.settings.config import Config
from weam_ray.settings.parsing import flat_parameters
from weam_ray.store.stages import Stage
from weam_ray.tracking.client import NOTE


def about(config: Config) -> str:
    """The description of a run in MLflow."""
    return (
        f"Pre-training with the objective {config.objective.name}. `..._before` and `..._after` are of held-out pairs, "
        "before and after it; `retrieval_...` is the share of sentences whose translation is the nearest."
    )


def run_tags(config: Config, corpus: str, fingerprint: str, folder: Path) -> dict[str, str]:
    """What runs are filtered by in MLflow; `corpus` is the fingerprint of the stage."""
    return {
        "objective": config.objective.name,
        "seeds": f"data {config.seeds.data}, masking {config.seeds.masking}, model {config.seeds.model}",
        **data_tags(config, corpus, fingerprint, folder),
    }


def data_tags(config: Config, corpus: str, fingerprint: str, folder: Path) -> dict[str, str]:
    """The tags of pre-training and alignment alike: aligner, languages, fingerprints, and the folder of results."""
    languages = [source.language_pair for source in config.corpus.sources]
    return {
        "aligner": config.align.aligner,
        "languages": " ".join(dict.fromkeys(languages)),
        "corpus": corpus,
        "fingerprint": fingerprint,
        "folder": str(folder),
    }


def alignment_tags(config: Config, corpus: str, fingerprint: str, folder: Path) -> dict[str, str]:
    """The tags of an alignment, its description among them."""
    about = f"Word alignment with {config.align.aligner}. `aer` is the alignment error rate against gold links, in %."
    return {"kind": "alignment", NOTE: about, **data_tags(config, corpus, fingerprint, folder)}


def alignment_parameters(config: Config) -> dict[str, Any]:
    """The settings that an alignment depends on, by dotted key; those of a fit only where a model is fitted."""
    tree = config.tree()
    fitted = table()[config.align.aligner].settings(config) if config.align.model is None else ()
    align = {"aligner", "lowercase", "model", *fitted}
    corpus = tree["corpus"].keys() - {"sources", "rows_per_shard"}
    found = {f"corpus.{key}": value for key, value in tree["corpus"].items() if key in corpus}
    found |= {f"align.{key}": value for key, value in tree["align"].items() if key in align and value is not None}
    return {**found, "encode.symmetrization": config.encode.symmetrization, "seeds.data": config.seeds.data}


def alignment_figures(result: dict[str, Any]) -> dict[str, float]:
    """The figures of an alignment's result.json: counts, seconds, and error rates where there is gold."""
    names = ("lines", "pairs", "aer", "precision", "recall", "model_bytes", "peak_memory_bytes")
    figures = {name: result[name] for name in names if name in result}
    for group in ("rejected", "aer_by_symmetrization", "seconds"):
        figures |= {f"{group}/{name}": value for name, value in result.get(group, {}).items()}
    return figures


def data_inputs(config: Config, corpus: Stage, counted: Stage) -> list[dict[str, str]]:
    """The corpora of a run, by language pair, as inputs of its MLflow run; `counted` has the rows that it used."""
    sources = config.corpus.sources
    return [
        {
            "name": pair,
            "digest": corpus.fingerprint,
            "source": "; ".join(source.label() for source in sources if source.language_pair == pair),
            "profile": json.dumps({part: count_rows(counted, part, pair) for part in ("train", "held_out")}),
        }
        for pair in dict.fromkeys(source.language_pair for source in sources)
    ]


def tracked_parameters(config: Config) -> dict[str, Any]:
    """The settings that MLflow compares, by dotted key: by their roles, without null ones and the idle ones."""
    found = flat_parameters(config.only(*TRACKED))
    idle = {f"objective.{key}" for key in config.objective.idle}
    if config.training.continue_from is None:
        idle.add("training.weights_only")
    return {
        key: value
        for key, value in found.items()
        if value is not None and not any(key == own or key.startswith(f"{own}.") for own in idle)
    }


def count_rows(stage: Stage, part: str, language_pair: str) -> int:
    return sum(file.rows for file in stage.files(part) if file.info["language_pair"] == language_pair)
