"""What a run writes by step: `losses.jsonl`, equal on every repetition, and `timings.jsonl`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weam_ray.store.files import write_whole

if TYPE_CHECKING:  # the loop imports torch, which those that only read do without
    from weam_ray.train.loop import StepRecord

LOSSES, TIMINGS = "losses.jsonl", "timings.jsonl"


class StepLog:
    """Appends a line a step to both files; opened after step `done`, it cuts off what came later."""

    def __init__(self, folder: Path, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.files = []
        for name in (LOSSES, TIMINGS):
            cut(folder / name, done)
            self.files.append((folder / name).open("a", encoding="utf-8"))

    def write(self, record: "StepRecord") -> None:
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
        }
        for file, line in zip(self.files, (losses, timings), strict=True):
            file.write(json.dumps(line) + "\n")
            file.flush()

    def close(self) -> None:
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
