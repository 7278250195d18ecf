"""Tasks of the user's own, as tests write and declare them."""

from pathlib import Path
from typing import Any

from weam_ray.settings.evaluation import OwnTask
from weam_ray.settings.parsing import validated

MOODS = ("good", "bad", "good", "so-so")  # of the rows of every split, again and again


def declared(**keys: Any) -> OwnTask:
    """A task that a configuration declares, in the folder `moods`."""
    return validated(OwnTask, {"folder": "moods", **keys})


def write_split(file: Path, rows: list[tuple[str, ...]], heading: str = "id label text") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [heading.split(), *rows]
    file.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return file


def write_moods(root: Path, *folders: str, name: str = "moods", train: int = 24) -> Path:
    """A folder for each language, whose texts say their label."""
    for folder in folders:
        for split, count in (("train", train), ("dev", 8), ("test", 12)):
            rows = [(str(n), MOODS[n % 4], f"{folder} feels {MOODS[n % 4]} at {n}") for n in range(count)]
            write_split(root / name / folder / f"{split}.tsv", rows)
    return root
