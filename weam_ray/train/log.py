"""What a training writes by step: losses, equal on every repetition, and timings."""

import json
from pathlib import Path
from typing import Any

from weam_ray.store.files import write_whole
from weam_ray.store.training_folder import TrainingFolder
from weam_ray.train.record import StepRecord


class StepLog:
    """Appends a line for each step to `losses.jsonl` and to `timings.jsonl`."""

    def __init__(self, folder: TrainingFolder, done: int) -> None:
        """Open the files; lines of steps after `done` are cut off."""
        folder.path.mkdir(parents=True, exist_ok=True)
        self.files = []
        for path in (folder.losses, folder.timings):
            cut(path, done)
            self.files.append(path.open("a", encoding="utf-8"))

    def write(self, record: StepRecord) -> None:
        """Append a step, so that readers see it at once.

        Raises:
            OSError: the disk is full.
        """
        losses = {
            "step": record.step,
            "loss": record.loss,
            **record.parts,
            "learning_rate": record.learning_rate,
            "tokens": record.tokens,
            "masked_tokens": record.masked,
            "aligned_words": record.aligned,
            "gradient_norm": record.gradient_norm,
        }
        timings = {
            "step": record.step,
            "seconds": round(record.seconds, 6),
            "waited": round(record.waited, 6),
            "padding_share": round(record.padding_share, 6),
            "lost_tokens": record.lost_tokens,
            "lost_links": record.lost_links,
            "head_rows": record.head_rows,
        }
        for file, line in zip(self.files, (losses, timings), strict=True):
            file.write(json.dumps(line) + "\n")
            file.flush()

    def close(self) -> None:
        """Close both files."""
        for file in self.files:
            file.close()


def cut(path: Path, done: int) -> None:
    """Keep the whole lines of steps 1 to `done`."""
    kept = [line for line in read_steps(path) if line["step"] <= done]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in kept))


def read_steps(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a step file; a last line that was cut short by a crash does not count."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
