"""What MLflow is told of a pre-training run or an alignment: description, tags, inputs, parameters, figures."""

import json
from pathlib import Path
from typing import Any

from weam_ray.settings.base import Role
from weam_ray.settings.data import AlignSection, CorpusSection, EncodeSection
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.parsing import flat_parameters
from weam_ray.settings.sources import Source
from weam_ray.settings.training import SeedSection
from weam_ray.store.stages import Stage


def about(objective: ObjectiveSection) -> str:
    """The description of a run in MLflow."""
    return (
        f"Pre-training with the objective {objective.name}. `..._before` and `..._after` are of held-out pairs, "
        "before and after it; `retrieval_...` is the share of sentences whose translation is the nearest."
    )


def run_tags(objective: ObjectiveSection, seeds: SeedSection) -> dict[str, str]:
    """What pre-training runs alone are filtered by in MLflow."""
    return {
        "objective": objective.name,
        "seeds": f"data {seeds.data}, masking {seeds.masking}, model {seeds.model}",
    }


def data_tags(sources: list[Source], aligner: str, corpus: str, fingerprint: str, folder: Path) -> dict[str, str]:
    """What runs of every kind are filtered by; `corpus` is the fingerprint of the stage, `folder` that of results."""
    return {"aligner": aligner, **corpus_tags(sources, corpus, folder), "fingerprint": fingerprint}


def corpus_tags(sources: list[Source], corpus: str, folder: Path) -> dict[str, str]:
    """What runs of every kind and corpora are filtered by; `corpus` is the fingerprint of the stage."""
    return {
        "languages": " ".join(dict.fromkeys(source.language_pair for source in sources)),
        "corpus": corpus,
        "folder": str(folder),
    }


def corpus_parameters(corpus: CorpusSection) -> dict[str, Any]:
    """The settings that a corpus depends on, by dotted key; its filters as one text."""
    found = flat_parameters({"corpus": corpus.only(Role.RESULT)})
    filters = [own.only(Role.RESULT) for own in corpus.filters]
    return found | ({"corpus.filters": json.dumps(filters, ensure_ascii=False)} if filters else {})


def corpus_figures(result: dict[str, Any]) -> dict[str, float]:
    """The figures of a corpus's result.json: rows, pairs, the rejected by reason, seconds, memory."""
    figures: dict[str, float] = {"rows": sum(source["rows"] for source in result["sources"])}
    for pair, own in result["pairs"].items():
        figures |= {f"{part}/{pair}": number for part, number in own.items()}
    for group in ("rejected", "seconds"):
        figures |= {f"{group}/{name}": value for name, value in result[group].items()}
    return figures | {"peak_bytes": result["peak_bytes"]}


def alignment_note(aligner: str) -> str:
    """The description of an alignment in MLflow."""
    return f"Word alignment with {aligner}. `aer` is the alignment error rate against gold links, in %."


def alignment_parameters(corpus: CorpusSection, align: AlignSection, encode: EncodeSection) -> dict[str, Any]:
    """The settings that an alignment depends on, by dotted key."""
    tree = {
        "corpus": corpus.only(Role.RESULT),
        "align": align.in_use(),
        "encode": {"symmetrization": encode.symmetrization},
    }
    return {key: value for key, value in flat_parameters(tree).items() if value is not None}


def alignment_figures(result: dict[str, Any]) -> dict[str, float]:
    """The figures of an alignment's result.json: counts, seconds, and error rates where there is gold."""
    names = ("lines", "pairs", "aer", "precision", "recall", "model_bytes", "peak_memory_bytes")
    figures = {name: result[name] for name in names if name in result}
    for group in ("rejected", "aer_by_symmetrization", "seconds"):
        figures |= {f"{group}/{name}": value for name, value in result.get(group, {}).items()}
    return figures


def data_inputs(sources: list[Source], corpus: Stage, counted: Stage) -> list[dict[str, str]]:
    """The corpora of a run, by language pair, as inputs of its MLflow run; `counted` has the rows that it used."""
    return [
        {
            "name": pair,
            "digest": corpus.fingerprint,
            "source": "; ".join(source.label() for source in sources if source.language_pair == pair),
            "profile": json.dumps({part: count_rows(counted, part, pair) for part in ("train", "held_out")}),
        }
        for pair in dict.fromkeys(source.language_pair for source in sources)
    ]


def count_rows(stage: Stage, part: str, language_pair: str) -> int:
    return sum(file.rows for file in stage.files(part) if file.info["language_pair"] == language_pair)
