"""The table of the data of an evaluation: what they are, where they come from, and how many examples there are."""

from collections.abc import Iterable, Mapping
from typing import Any


def data_table(data: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Where the data of each task come from, a row each, in the order of training, as `data_used` tells them."""
    rows = []
    for own in data:
        drawn = "" if own["max_train"] is None else f" (each seed draws {own['max_train']:,})"
        counts = [
            f"{split} {amount(own['examples'], split)}{drawn if split == 'train' else ''}"
            for split in ("train", "dev", "test")
            if any(name.startswith(f"{split}-") for name in own["examples"])
        ]
        told = [own[key] or "not stated" for key in ("reference", "licence", "revision")]
        rows.append([own["task"], own["used"], own["form"], "; ".join(counts), *told])
    return ["task", "used as", "form", "examples", "reference", "licence", "revision"], rows


def data_lines(data: Iterable[Mapping[str, Any]]) -> list[str]:
    """The rows of the table as sentences, for a terminal that is narrower."""
    columns, rows = data_table(data)
    found = []
    for row in rows:
        own = dict(zip(columns, row, strict=True))
        what = f"Data of {own['task']}{' (intermediate)' if own['used as'] == 'intermediate' else ''}"
        told = "; ".join(f"{name} {own[name]}" for name in ("licence", "revision", "reference"))
        found.append(f"{what}: {own['examples']}; {told}.")
    return found


def amount(examples: dict[str, int], split: str) -> str:
    """How many examples a split has: of several languages from the fewest to the most."""
    counts = [count for name, count in examples.items() if name.startswith(f"{split}-")]
    low, high = min(counts), max(counts)
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return size if len(counts) == 1 else f"{size} in each of {len(counts)} languages"
