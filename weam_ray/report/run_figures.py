"""The figures of a run's result.json that follow from its steps and from what was measured."""

from typing import Any

from weam_ray.train.follow import Steps


def run_figures(steps: Steps, scores: dict[str, Any]) -> dict[str, Any]:
    """Held-out figures before and after, and what the steps were like: speed, padding, waiting, what was cut off.

    Args:
        steps: losses and timings of every step.
        scores: the parts of `measure`, under `before` and `after`, with `notes` and `unknown_tokens`.
    """
    seconds = sum(entry["seconds"] for entry in steps)
    return {
        "steps": len(steps),
        **{part: {when: scores[when][part] for when in ("before", "after")} for part in scores["after"]},
        "unknown_tokens": scores["unknown_tokens"],
        "notes": scores["notes"],
        "tokens_per_second": sum(entry["tokens"] for entry in steps) / seconds,
        "padding_share": sum(entry["padding_share"] for entry in steps) / len(steps),
        "data_wait_share": sum(entry["waited"] for entry in steps) / seconds,
        "lost_tokens": sum(entry["lost_tokens"] for entry in steps),
        "lost_links": sum(entry["lost_links"] for entry in steps),
        "training_step_seconds": round(seconds, 1),
    }
