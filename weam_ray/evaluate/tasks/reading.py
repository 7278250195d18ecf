"""Reading of the file forms that several tasks share, into the schemas of the kinds."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.forms import read_json, read_text, text_lines

SENTENCES = pa.schema([("text", pa.string()), ("pair", pa.string()), ("label", pa.string())])
CHOICES = pa.schema([("prompt", pa.string()), ("choices", pa.list_(pa.string())), ("label", pa.int32())])
TOKENS = pa.schema([("words", pa.list_(pa.string())), ("tags", pa.list_(pa.string()))])
QUESTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("question", pa.string()),
        ("context", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("starts", pa.list_(pa.int32())),
    ]
)

QUERIES = pa.schema([("id", pa.string()), ("text", pa.string()), ("targets", pa.list_(pa.string()))])
CANDIDATES = pa.schema([("id", pa.string()), ("text", pa.string())])


def read_rows(file: Path, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Number, from 1, and cells of the rows of a tab-separated file that are not blank.

    Quotes are as `csv` writes them, or, where `quoted` is false, characters like others.

    Raises:
        UserError: quotes that `csv` does not write, which would swallow tabs and lines.
    """
    text, number = read_text(file), 0
    plain = (line.removesuffix("\r").split("\t") for line in text.split("\n"))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True) if quoted else plain
    try:
        for number, row in enumerate(rows, 1):
            if row not in ([], [""]):
                yield number, row
    except csv.Error as error:
        raise UserError(
            f"{file}, row {number + 1}: a cell that begins with a quote must end with one, and quotes in it must be "
            f"doubled: {error}."
        ) from None


def read_sentences(
    files: Sequence[Path],
    columns: Sequence[int],
    label: int | None,
    header: bool,
    rename: Callable[[str], str] = str,
    quoted: bool = True,
) -> pa.Table:
    """One text or two (`columns`) and a label, which is null where the row has no such cell.

    Raises:
        UserError: a row with too few cells.
    """
    rows = []
    for file in files:
        for number, cells in read_rows(file, quoted):
            if header and number == 1:
                continue
            if len(cells) <= max(columns):
                raise UserError(f"{file}, row {number}: {max(columns) + 1} cells are expected, not {len(cells)}.")
            texts = [cells[column] for column in columns]
            given = label is not None and label < len(cells)
            rows.append(
                {
                    "text": texts[0],
                    "pair": texts[1] if len(texts) > 1 else None,
                    "label": rename(cells[label].strip()) if given and label is not None else None,
                }
            )
    return pa.Table.from_pylist(rows, schema=SENTENCES)


def read_tagged(files: Sequence[Path]) -> pa.Table:
    """A word and its tag a line, or a word alone where the tags are hidden; a blank line after every sentence.

    Raises:
        UserError: lines with a tag and lines without one in the same file.
    """
    rows = []
    for file in files:
        words: list[str] = []
        tags: list[str] = []
        lines = read_text(file).split("\n")
        for number, line in enumerate([*lines, ""], 1):
            cells = line.rstrip("\r").split("\t")
            if cells[0].strip():
                words.append(cells[0].strip())
                tags += [cells[1].strip()] if len(cells) > 1 else []
                if tags and len(tags) != len(words):
                    raise UserError(f"{file}, line {number}: a word, a tab and its tag are expected.")
            elif words:
                rows.append({"words": words, "tags": tags or None})
                words, tags = [], []
    return pa.Table.from_pylist(rows, schema=TOKENS)


def read_conllu(files: Sequence[Path]) -> pa.Table:
    """Words and universal parts of speech of CoNLL-U: syntactic words; ranges (1-2) and empty nodes (1.1) are left out.

    Raises:
        UserError: a line of another form.
    """
    rows = []
    for file in files:
        words: list[str] = []
        tags: list[str] = []
        for number, line in enumerate([*text_lines(file), ""], 1):
            if not line:
                if words:
                    rows.append({"words": words, "tags": tags})
                words, tags = [], []
            elif not line.startswith("#"):
                cells = line.split("\t")
                if len(cells) != 10:
                    raise UserError(f"{file}, line {number}: the 10 columns of CoNLL-U are expected, not {len(cells)}.")
                if cells[0].isdigit():
                    words.append(cells[1])
                    tags.append(cells[3])
    return pa.Table.from_pylist(rows, schema=TOKENS)


def read_squad(files: Sequence[Path], choose: Callable[[int], bool] = lambda article: True) -> pa.Table:
    """Questions of files in SQuAD's form, of the articles whose number, from 0, is chosen.

    Answers are null where the file hides them (all texts blank).

    Raises:
        UserError: another form.
    """
    rows = []
    for file in files:
        found = read_json(file)
        try:
            for number, article in enumerate(found["data"]):
                for paragraph in article["paragraphs"] if choose(number) else ():
                    for question in paragraph["qas"]:
                        answers = question.get("answers", [])
                        rows.append(
                            {
                                "id": str(question["id"]),
                                "question": question["question"],
                                "context": paragraph["context"],
                                "answers": [answer["text"] for answer in answers],
                                "starts": [answer["answer_start"] for answer in answers],
                            }
                        )
        except (KeyError, TypeError) as error:
            raise UserError(f"{file}: not in SQuAD's form: {type(error).__name__} {error}.") from None
    hidden = not any(answer for row in rows for answer in row["answers"])
    for row in rows if hidden else ():
        row["answers"] = row["starts"] = None
    return pa.Table.from_pylist(rows, schema=QUESTIONS)


def json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number, from 1, and object of every line that is not blank, read one by one.

    Raises:
        UserError: no such file, or a line that is no JSON object.
    """
    if not file.is_file():
        raise UserError(f"There is no file {str(file)!r}.")
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError:
                raise UserError(f"{file}, line {number}: not UTF-8; convert the file to UTF-8.") from None
            except json.JSONDecodeError as error:
                raise UserError(f"{file}, line {number}: not valid JSON: {error.msg}.") from None
            if not isinstance(found, dict):
                raise UserError(f"{file}, line {number}: a JSON object is expected.")
            yield number, found
