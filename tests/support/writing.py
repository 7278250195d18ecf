"""Small data files in the forms of the tasks, as tests write them."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS
from weam_ray.evaluate.tasks.base import Layout, Split


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8"))
    return file


def write_csv(file: Path, rows: Iterable[Sequence[str]]) -> Path:
    """As XTREME's script writes: quotes around cells with quotes, and carriage returns before line feeds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows(rows)
    return file


def write_json(file: Path, found: Any) -> Path:
    return write(file, json.dumps(found))


def write_json_lines(file: Path, rows: Iterable[Any]) -> Path:
    return write(file, "".join(json.dumps(row) + "\n" for row in rows))


def paragraph(context: str, *questions: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A context, and questions as (name, answer); an answer stands where it first occurs, a blank one is hidden."""
    qas = [
        {
            "id": name,
            "question": f"What of {name}?",
            "answers": [{"text": answer, "answer_start": context.index(answer)}],
        }
        for name, answer in questions
    ]
    return {"context": context, "qas": qas, **more}


def write_squad(file: Path, *articles: dict[str, Any]) -> Path:
    """A paragraph for each article."""
    return write_json(file, {"version": "1.1", "data": [{"title": "t", "paragraphs": [own]} for own in articles]})


def layout_of(task: str, name: str) -> Layout:
    (found,) = [layout for layout in TASKS[task].layouts if layout.name == name]
    return found


def rows_of(task: str, layout: str, root: Path, split: Split, code: str) -> list[dict[str, Any]]:
    return TASKS[task].read(layout_of(task, layout), root, split, language(code)).to_pylist()
