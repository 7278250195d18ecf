"""What the best of a search is worth, in sentences and in the tags of its registered model."""

from collections.abc import Sequence
from typing import Any

NAMES = {"test": "test", "dev": "development"}
WHERE = {
    "test": ("On held-out pairs that nothing was chosen by", "sentences"),
    "dev": ("On the task's development data, which it was chosen by,", "examples"),
}
AGAIN = "With other seeds: the same command with search.retrain=3."


def verdict(result: dict[str, Any], done: int) -> list[str]:
    """What the best of some trials is worth, in sentences.

    Args:
        result: as result.json of a search has it.
        done: how many trials were completed.
    """
    lines = [
        f"The best of {done} trials has {result['best_value']:.4g}, on the data that it was chosen by; with other "
        "seeds expect less."
    ]
    if (tested := tested_of(result)) is not None:
        what, over = WHERE[tested["part"]]
        ends = tested["interval"]
        shown = f" ({100 * tested['level']:.0f} % interval over {over}: {between(ends)})" if ends else ""
        lines.append(f"{what} it has {tested['value']:.4g}{shown}.")
    if again := result.get("retrained", []):
        values = [own["value"] for own in again]
        each = [
            f"{own['value']:.4g}" + (f" ({between(own['interval'])})" if own.get("interval") else "") for own in again
        ]
        lines.append(
            f"Trained again with {len(again)} other seeds, it has on these {', '.join(each)}; the mean is "
            f"{sum(values) / len(values):.4g}."
        )
    return lines


def tags_of(result: dict[str, Any]) -> dict[str, str]:
    """What is known of the best, measured when the search was over."""
    if (tested := tested_of(result)) is None:
        return {}
    part = NAMES[tested["part"]]
    found = {f"{part}_value": f"{tested['value']:.6f}"}
    if tested["interval"]:
        found[f"{part}_interval_{100 * tested['level']:.0f}"] = between(tested["interval"], ".6f")
    if again := result.get("retrained", []):
        found[f"{part}_retrained"] = ", ".join(f"{own['value']:.6f}" for own in again)
    return found


def tested_of(result: dict[str, Any]) -> dict[str, Any] | None:
    """What the best was measured on when the search was over; None of a search of an earlier version."""
    return result.get("on_test") or result.get("on_development")


def between(ends: Sequence[float], form: str = ".4g") -> str:
    """An interval in words."""
    return f"{ends[0]:{form}} to {ends[1]:{form}}"
