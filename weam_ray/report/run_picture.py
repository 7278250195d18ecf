"""The picture of a run: its losses by step, and retrieval before and after."""

from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.report.page import figure_of, save_picture

SMOOTHING = 0.02  # window of the thick line, as a share of the steps


def run_plot(steps: list[dict[str, Any]], result: dict[str, Any], title: str, file: Path) -> Path:
    """Write a PNG: losses on the left (with the unigram entropy), retrieval by language on the right."""
    figure = figure_of(12, 4.5)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    for key in dict.fromkeys(key for entry in steps for key in entry if key.endswith("_loss")):
        own = [entry for entry in steps if key in entry]
        numbers, values = np.array([entry["step"] for entry in own]), np.array([entry[key] for entry in own])
        (line,) = left.plot(numbers, values, alpha=0.25, linewidth=0.8)
        left.plot(numbers, smoothed(values), color=line.get_color(), label=part_label(key))
    entropy = result["loss"]["after"].get("unigram_entropy")
    if entropy is not None:
        left.axhline(entropy, color="grey", linestyle="--", linewidth=1, label="unigram entropy, held out")
    left.set(xlabel="optimizer step", ylabel="loss (predictions: nats a masked token)", title="Training losses")
    left.legend()

    before, after = result["retrieval"]["before"], result["retrieval"]["after"]
    languages = list(after)
    places = np.arange(len(languages))
    for offset, scores, label in ((-0.2, before, "before"), (0.2, after, "after")):
        shares = [100 * next(iter(scores[language].values())) for language in languages]
        bars = right.bar(places + offset, shares, width=0.4, label=label)
        right.bar_label(bars, fmt="%.0f", fontsize=8)
    right.set_xticks(places, languages)
    goal = next(iter(next(iter(after.values()), {"to_pivot": 0}))).removeprefix("to_").title()
    right.set(ylabel="P@1, %", title=f"Sentence retrieval to {goal}, centred, held out")
    right.legend()
    return save_picture(figure, file)


def part_label(key: str) -> str:
    """`mlm/multilingual_loss` as `mlm: multilingual`."""
    return key.removesuffix("_loss").replace("_", " ").replace("/", ": ")


def smoothed(values: np.ndarray) -> np.ndarray:
    """A running mean; near the ends over what there is."""
    width = max(1, int(len(values) * SMOOTHING))
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")
