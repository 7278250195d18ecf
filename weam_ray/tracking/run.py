"""What MLflow is told of a pre-training run: its description, tags, inputs and parameters."""

import json
from pathlib import Path
from typing import Any

from weam_ray.pipeline import Data
from weam_ray.settings.base import TRACKED
from weam_ray.settings.config import Config
from weam_ray.settings.parsing import flat_parameters


def about(config: Config) -> str:
    """The description of a run in MLflow."""
    return (
        f"Pre-training with the objective {config.objective.name}. `..._before` and `..._after` are of held-out pairs, "
        "before and after it; `retrieval_...` is the share of sentences whose translation is the nearest."
    )


def run_tags(config: Config, corpus: str, fingerprint: str, folder: Path) -> dict[str, str]:
    """What runs are filtered by in MLflow; `corpus` is the fingerprint of the stage."""
    languages = [source.language_pair for source in config.corpus.sources]
    return {
        "objective": config.objective.name,
        "aligner": config.align.aligner,
        "languages": " ".join(dict.fromkeys(languages)),
        "seeds": f"data {config.seeds.data}, masking {config.seeds.masking}, model {config.seeds.model}",
        "corpus": corpus,
        "fingerprint": fingerprint,
        "folder": str(folder),
    }


def data_inputs(config: Config, data: Data) -> list[dict[str, str]]:
    """The corpora of a run, by language pair, as inputs of its MLflow run."""
    sources = config.corpus.sources
    return [
        {
            "name": pair,
            "digest": data.corpus.fingerprint,
            "source": "; ".join(source.label() for source in sources if source.language_pair == pair),
            "profile": json.dumps({part: count_rows(data, part, pair) for part in ("train", "held_out")}),
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


def count_rows(data: Data, part: str, language_pair: str) -> int:
    return sum(file.rows for file in data.encoded.files(part) if file.info["language_pair"] == language_pair)
