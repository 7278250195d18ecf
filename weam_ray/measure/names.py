"""The names that held-out figures go by in MLflow, the same for all jobs."""

from typing import Any

MEAN = "mean"  # over languages


def named(scores: dict[str, Any], when: str) -> dict[str, float]:
    """Name the figures of `HeldOut.measure`, or of some of its parts; `when` is `before` or `after` training."""
    flat: dict[str, float] = {}
    retrieval = scores.get("retrieval", {})
    for language, own in retrieval.items():
        flat |= {f"retrieval_{when}/{language}/{key}": value for key, value in own.items()}
    for key in dict.fromkeys(key for own in retrieval.values() for key in own):
        values = [own[key] for own in retrieval.values() if key in own]
        flat[f"retrieval_{when}/{MEAN}/{key}"] = sum(values) / len(values)
    flat |= {f"held_out_{when}/{key}": value for key, value in scores.get("loss", {}).items()}
    flat |= {
        f"sentences_{when}/{language}/{key}": own[key]
        for language, own in scores.get("sentences", {}).items()
        for key in ("loss", "accuracy")
    }
    return flat
