"""Files of gold labels and of predictions in XTREME's forms, by task: read, written, and checked against each other."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.store.files import write_whole
from weam_ray.store.text import raw_lines, read_text, text_lines


@dataclass(frozen=True)
class FileForm:
    """How the predictions, and the labels, of a task stand in a file `test-LANG.SUFFIX`."""

    suffix: str
    read: Callable[[Path], Any]
    write: Callable[[Path, Any], None]
    read_labels: Callable[[Path], Any]
    write_labels: Callable[[Path, Any], None]


def write_lines(file: Path, lines: Sequence[Any]) -> None:
    write_whole(file, "".join(f"{line}\n" for line in lines))


def read_tags(file: Path) -> list[list[str]]:
    """A tag a line, or a word, a tab and its tag; a blank line after every sentence."""
    sentences: list[list[str]] = [[]]
    for line in raw_lines(file):
        if line:
            sentences[-1].append(line.split("\t")[-1].strip())
        else:
            sentences.append([])
    return sentences if sentences[-1] else sentences[:-1]


def write_tags(file: Path, sentences: Sequence[Sequence[str]]) -> None:
    write_whole(file, "".join("".join(f"{tag}\n" for tag in tags) + "\n" for tags in sentences))


def read_json(file: Path) -> Any:
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise UserError(f"{file}, line {error.lineno}: not valid JSON: {error.msg}.") from None


def read_mapping(file: Path) -> dict[str, Any]:
    found = read_json(file)
    if not isinstance(found, dict):
        raise UserError(f"{file}: an object from names to predictions is expected, not {type(found).__name__}.")
    return found


def write_mapping(file: Path, found: dict[str, Any]) -> None:
    write_whole(file, json.dumps(found, ensure_ascii=False, indent=1))


def read_targets(file: Path) -> dict[str, list[str]]:
    """Names of queries with their targets; a target that stands alone is a list of one.

    A blank target beside others is none. A list of blank ones stays: it says that the targets are hidden.
    """
    found = {name: [own] if isinstance(own, str) else own for name, own in read_mapping(file).items()}
    for name, own in found.items():
        if not isinstance(own, list) or not own or not all(isinstance(target, str) for target in own):
            raise UserError(f"{file}: {name!r} has {own!r}, where a target or a list of targets is expected.")
    return {name: [target for target in own if target.strip()] or own for name, own in found.items()}


def read_questions(file: Path) -> list[tuple[str, list[str]]]:
    """Names and gold answers of the questions of a file in SQuAD's form."""
    found = read_json(file)
    articles: Any = found.get("data") if isinstance(found, dict) else found
    try:
        return [
            (str(question["id"]), [answer["text"] for answer in question["answers"]])
            for article in articles
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{file}: not in SQuAD's form: {type(error).__name__} {error}.") from None


def write_questions(file: Path, questions: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Names and gold answers in SQuAD's form, as scorers read them; contexts are left blank."""
    rows = [{"id": name, "question": "", "answers": [{"text": text} for text in texts]} for name, texts in questions]
    write_mapping(file, {"version": "1.1", "data": [{"paragraphs": [{"context": "", "qas": rows}]}]})


def read_choices(file: Path) -> list[int]:
    """The key `label` of every line, as XCOPA's files and predictions have it."""
    found = []
    for number, line in enumerate(text_lines(file), 1):
        try:
            found.append(int(json.loads(line)["label"]))
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{file}, line {number}: a JSON object with the key 'label' is expected, the number of a choice."
            ) from None
    return found


def write_choices(file: Path, labels: Sequence[int]) -> None:
    write_lines(file, [json.dumps({"label": int(label)}) for label in labels])


LINES = FileForm("tsv", text_lines, write_lines, text_lines, write_lines)
TAGS = FileForm("tsv", read_tags, write_tags, read_tags, write_tags)
ANSWERS = FileForm("json", read_mapping, write_mapping, read_questions, write_questions)
RANKINGS = FileForm("json", read_mapping, write_mapping, read_targets, write_mapping)
CHOICES = FileForm("jsonl", read_choices, write_choices, read_choices, write_choices)


def all_blank(labels: Any) -> bool:
    """Whether labels, as a form reads them, say nothing: a copy of their file from which they were taken out."""
    if isinstance(labels, dict):
        return all(map(all_blank, labels.values()))
    if isinstance(labels, tuple):  # the name of a question and its answers
        return all_blank(labels[1])
    if isinstance(labels, list):
        return all(map(all_blank, labels))
    return isinstance(labels, str) and not labels.strip()


def check_counts(labels: Any, predictions: Any, what: str) -> None:
    """See that predictions are for these examples.

    Raises:
        UserError: another number of lines, sentences or words, or names that the labels have not.
    """
    if isinstance(predictions, dict):
        names = {name for name, _ in labels} if isinstance(labels, list) else set(labels)
        strange = sorted(set(predictions) - names)
        if strange:
            raise UserError(f"{what}: {len(strange)} predictions for names that the labels lack: {strange[0]!r}.")
        return
    if len(predictions) != len(labels):
        unit = "sentences" if labels and isinstance(labels[0], list) else "lines"
        raise UserError(f"{what}: {len(predictions)} {unit} of predictions, but {len(labels)} of labels.")
    for number, (own, gold) in enumerate(zip(predictions, labels, strict=True), 1):
        if isinstance(gold, list) and len(own) != len(gold):
            raise UserError(f"{what}, sentence {number}: {len(own)} predicted tags, but {len(gold)} gold ones.")
