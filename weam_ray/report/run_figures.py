"""The figures of a run's result.json that follow from its steps and from what was measured."""

from typing import Any

from weam_ray.train.follow import Steps


def run_figures(steps: Steps, scores: dict[str, Any]) -> dict[str, Any]:
    """Held-out figures before and after, and what the steps were like: speed, padding, waiting, what was cut off.

    Args:
        steps: losses and timings of every step.
        scores: the parts of `measure`, under `before` and `after`, with `notes` and `unknown_tokens`, and on which rows
            they were measured, `held_out`.
    """
    seconds = sum(entry["seconds"] for entry in steps)
    totals = {"tokens": "tokens", "predictions": "masked_tokens", "head_rows": "head_rows"}
    return {
        "steps": len(steps),
        "totals": {  # steps of an earlier version have no head rows
            name: sum(entry[key] for entry in steps) for name, key in totals.items() if all(key in e for e in steps)
        },
        **{part: {when: scores[when][part] for when in ("before", "after")} for part in scores["after"]},
        **({"held_out": scores["held_out"]} if "held_out" in scores else {}),
        "unknown_tokens": scores["unknown_tokens"],
        "notes": scores["notes"],
        "tokens_per_second": ratio(sum(entry["tokens"] for entry in steps), seconds),
        "padding_share": ratio(sum(entry["padding_share"] for entry in steps), len(steps)),
        "data_wait_share": ratio(sum(entry["waited"] for entry in steps), seconds),
        "lost_tokens": sum(entry["lost_tokens"] for entry in steps),
        "lost_links": sum(entry["lost_links"] for entry in steps),
        "training_step_seconds": round(seconds, 1),
    }


def ratio(part: float, whole: float) -> float:
    """A quotient, 0 for a run without steps."""
    return part / whole if whole else 0.0
