"""Results as tables for the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table


def result_table(result: dict[str, Any]) -> Table:
    """Retrieval of every language before and after, and their mean; shares in percent."""
    before, after = result["retrieval"]["before"], result["retrieval"]["after"]
    columns = list(next(iter(after.values()), {}))
    table = Table(title="Sentence retrieval on held-out pairs, P@1 in %, before > after")
    table.add_column("language")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for language in after:
        if list(after[language]) == columns:
            cells = [f"{100 * before[language][key]:.1f} > {100 * after[language][key]:.1f}" for key in columns]
            table.add_row(language, *cells)
    alike = [language for language in after if list(after[language]) == columns]
    if len(alike) > 1:
        means = [f"{100 * mean(before, alike, key):.1f} > {100 * mean(after, alike, key):.1f}" for key in columns]
        table.add_section()
        table.add_row("mean", *means)
    return table


def loss_table(result: dict[str, Any]) -> Table:
    """Losses and accuracies on the masked tokens of held-out pairs."""
    before, after = result["loss"]["before"], result["loss"]["after"]
    table = Table(title=f"Prediction of {int(after['masked_tokens']):,} masked tokens of held-out pairs")
    for column in ("figure", "before", "after"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for key in after:
        if key != "masked_tokens":
            table.add_row(key.replace("_", " "), f"{before[key]:.3f}", f"{after[key]:.3f}")
    return table


def sentence_table(result: dict[str, Any]) -> Table:
    """Masked tokens of sentences that stand alone, by language, beside what frequencies alone would give."""
    before, after = result["sentences"]["before"], result["sentences"]["after"]
    table = Table(title="Prediction of masked tokens in held-out sentences that stand alone, before > after")
    for column in ("language", "accuracy, %", "most frequent token, %", "nats a token", "unigram entropy"):
        table.add_column(column, justify="left" if column == "language" else "right")
    for language, own in after.items():
        table.add_row(
            language,
            f"{100 * before[language]['accuracy']:.1f} > {100 * own['accuracy']:.1f}",
            f"{100 * own['unigram_accuracy']:.1f}",
            f"{before[language]['loss']:.2f} > {own['loss']:.2f}",
            f"{own['unigram_entropy']:.2f}",
        )
    return table


def mean(scores: dict[str, dict[str, float]], languages: list[str], key: str) -> float:
    return sum(scores[language][key] for language in languages) / len(languages)


def print_result(result: dict[str, Any]) -> None:
    """The result of a run on the terminal."""
    console = Console()
    if result["retrieval"]["after"]:
        console.print(result_table(result))
    if result["loss"]["after"]:
        console.print(loss_table(result))
    if result["sentences"]["after"]:
        console.print(sentence_table(result))
    if not result["retrieval"]["after"] and not result["sentences"]["after"]:
        console.print("Nothing was held out (corpus.held_out), so nothing was measured.")
    console.print(
        f"{result['steps']} steps, {result['tokens_per_second']:,.0f} tokens a second; "
        + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in result["seconds_by_phase"].items())
        + f"; {result['seconds']:.0f} s in all"
    )
