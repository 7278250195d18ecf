"""The result of a run as one table for the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

from weam_ray.measure.names import MEAN

TITLE = "On held-out text (test), before > after: retrieval, P@1 in %; masked tokens, right in %"


def result_table(result: dict[str, Any]) -> Table:
    """A row a language: sentence retrieval on held-out pairs, and masked tokens of sentences that stand alone.

    The last row is the mean of retrieval over languages. Figures that a language does not have are blank.
    """
    retrieval, sentences = result["retrieval"], result["sentences"]
    directions = [key for key in next(iter(retrieval["after"].values()), {}) if not key.endswith("_uncentred")]
    table = Table(title=TITLE)
    table.add_column("language")
    for direction in directions:
        table.add_column(direction.replace("_", " "), justify="right")
    if sentences["after"]:
        table.add_column("tokens right", justify="right")
        table.add_column("nats a token", justify="right")
    for language in dict.fromkeys([*retrieval["after"], *sentences["after"]]):
        cells = [change(retrieval, language, key, 100, 1) for key in directions]
        if sentences["after"]:
            cells += [change(sentences, language, "accuracy", 100, 1), change(sentences, language, "loss", 1, 2)]
        table.add_row(language, *cells)
    alike = [language for language, own in retrieval["after"].items() if directions[0] in own]
    if len(alike) > 1:
        means = {
            when: {"mean": {key: mean(scores, alike, key) for key in directions}} for when, scores in retrieval.items()
        }
        table.add_section()
        table.add_row("mean", *(change(means, "mean", key, 100, 1) for key in directions))
    return table


def change(scores: dict[str, Any], language: str, key: str, scale: float, digits: int) -> str:
    """A figure of a language before and after, times a scale; blank where it has none."""
    if key not in scores["after"].get(language, {}):
        return ""
    return " > ".join(f"{scale * scores[when][language][key]:.{digits}f}" for when in ("before", "after"))


def prediction_line(result: dict[str, Any]) -> str:
    """The losses on masked tokens of held-out pairs, in nats a token, beside their unigram entropy."""
    before, after = result["loss"]["before"], result["loss"]["after"]
    losses = ", ".join(
        f"{name.replace('_', '-')} {before[key]:.3f} > {after[key]:.3f}"
        for name in ("cross_lingual", "multilingual")
        if (key := f"{name}_loss") in after
    )
    entropy = f" (unigram entropy {after['unigram_entropy']:.3f})" if "unigram_entropy" in after else ""
    return f"Prediction of {int(after['masked_tokens']):,} masked tokens of pairs, nats a token: {losses}{entropy}"


def interval_line(result: dict[str, Any]) -> str:
    """The intervals of the retrieval of all languages and of the loss, after training; empty where there are none."""
    after = result.get("intervals", {}).get("after", {})  # a run of an earlier version has none
    found = [
        f"mean {way.replace('_', ' ')} {100 * low:.1f} to {100 * high:.1f}"
        for way, (low, high) in after.get("retrieval", {}).get(MEAN, {}).items()
        if not way.endswith("_uncentred")
    ]
    if (ends := after.get("loss", {}).get("multilingual_loss")) is not None:
        found.append(f"multilingual loss {ends[0]:.3f} to {ends[1]:.3f}")
    level = result.get("held_out", {}).get("level", 0.95)
    return f"{100 * level:.0f} % intervals over sentences, of one seed: {', '.join(found)}" if found else ""


def mean(scores: dict[str, dict[str, float]], languages: list[str], key: str) -> float:
    return sum(scores[language][key] for language in languages) / len(languages)


def print_result(result: dict[str, Any]) -> None:
    """Print the result of a run: a table, the losses on pairs, and where the time went."""
    console = Console()
    if result["retrieval"]["after"] or result["sentences"]["after"]:
        console.print(result_table(result))
    else:
        console.print("Nothing was held out (corpus.held_out), so nothing was measured.")
    if result["loss"]["after"]:
        console.print(prediction_line(result), highlight=False)
    if line := interval_line(result):
        console.print(line, highlight=False)
    console.print(
        f"{result['steps']} steps, {result['tokens_per_second']:,.0f} tokens a second; "
        + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["seconds_by_phase"].items())
        + f"; {result['seconds']:.0f} s in all",
        highlight=False,
    )
