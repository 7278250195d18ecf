"""Reading of the file forms that several tasks share, into the schemas of the kinds."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.formats import read_json
from weam_ray.store.text import BLANKS, read_text

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

# what headings call the columns of texts and of the label
TEXT_NAMES = ("text", "sentence", "sentence1", "sentence2", "premise", "hypothesis", "hypo", "text_a", "text_b")
LABEL_NAMES = ("label", "gold_label", "category")
WORD_NAMES = ("word", "words", "token", "tokens", "form")
TAG_NAMES = ("tag", "tags", "label", "labels", "upos", "pos", "pos_tags", "ner", "ner_tags")
CONLLU_NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")  # of a word, of a range of words, of an empty node


def every_tenth_develops(table: pa.Table, split: str) -> pa.Table:
    """Of rows that stand for training and development together: every tenth develops, the others train."""
    return table.take([row for row in range(table.num_rows) if (row % 10 == 9) == (split == "dev")])


def read_rows(file: Path, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Number, from 1, and cells of the lines of a tab-separated file that are not blank.

    Quotes are characters like others. Only where the file may be `quoted`, a cell that has quotes and stands in it as
    `csv` writes such a cell is what `csv` was given: `"a ""so called"" one"` is `a "so called" one`.
    """
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.strip(BLANKS) or "\t" in line:
            cells = line.removesuffix("\r").split("\t")
            yield number, [unquoted(cell) for cell in cells] if quoted else cells


def unquoted(cell: str) -> str:
    """What `csv` was given, if a cell stands as it writes one with quotes: between quotes, and those in it doubled.

    A cell between quotes that has no others is a text that someone quotes: `csv` puts none around it.
    """
    inside = cell[1:-1]
    if not (len(cell) > 1 and cell[0] == cell[-1] == '"' and ('""' in inside or "\r" in inside)):
        return cell
    return cell if '"' in inside.replace('""', "") else inside.replace('""', '"')


def read_sentences(
    files: Sequence[Path],
    columns: Sequence[int],
    label: int | None,
    rename: Callable[[str], str] = str,
    quoted: bool = True,
) -> pa.Table:
    """One text or two (`columns`) and a label, which is null where the row has no such cell; a heading is left out.

    Raises:
        UserError: a row with too few cells, or a heading that names other columns.
    """
    rows = []
    for file in files:
        for number, cells in read_rows(file, quoted):
            if number == 1 and is_heading(cells, columns, label, file):
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


def is_heading(cells: Sequence[str], columns: Sequence[int], label: int | None, file: Path) -> bool:
    """Whether the first row of a file names its columns.

    Raises:
        UserError: it names the texts and the label in other places than they are read from.
    """
    names = [cell.strip().lower() for cell in cells]
    texts = [column for column, name in enumerate(names) if name in TEXT_NAMES]
    labels = [column for column, name in enumerate(names) if name in LABEL_NAMES]
    if not (label in labels or (texts and (labels or len(texts) == len(names)))):
        return False
    expected = {**dict.fromkeys(columns, "a text"), **({} if label is None else {label: "the label"})}
    moved = {column for column in expected if column in (labels if column in columns else texts)}
    if moved:
        order = ", ".join(f"column {column + 1} {what}" for column, what in sorted(expected.items()))
        raise UserError(
            f"{file}, row 1: the heading is {list(cells)}, but in this form {order}; put them in this order."
        )
    return True


def read_tagged(files: Sequence[Path]) -> pa.Table:
    """A word, a tab and its tag a line, or a word alone where the tags are hidden; a blank line after every sentence.

    A heading is left out. A line is blank that has nothing but spaces, tabs and a carriage return: a word may be any
    other white space.

    Raises:
        UserError: lines with a tag and lines without one in the same file, or words and tags with spaces between them.
    """
    rows = []
    for file in files:
        words: list[str] = []
        tags: list[str] = []
        lines = [line.removesuffix("\r") for line in read_text(file).split("\n")]
        check_tabs(file, [line for line in lines if line.strip(BLANKS)])
        for number, line in enumerate([*lines, ""], 1):
            cells = line.split("\t")
            if number == 1 and names_columns(cells):
                continue
            if line.strip(BLANKS):
                words.append(cells[0].strip(BLANKS))
                tags += [cells[1].strip()] if len(cells) > 1 else []
                if tags and len(tags) != len(words):
                    raise UserError(f"{file}, line {number}: a word, a tab and its tag are expected.")
            elif words:
                rows.append({"words": words, "tags": tags or None})
                words, tags = [], []
    return pa.Table.from_pylist(rows, schema=TOKENS)


def names_columns(cells: Sequence[str]) -> bool:
    """Whether the first line of a file of words and tags is a heading."""
    names = [cell.strip().lower() for cell in cells]
    return len(names) > 1 and names[0] in WORD_NAMES and names[1] in TAG_NAMES


def check_tabs(file: Path, lines: Sequence[str]) -> None:
    """See that what stands between words and tags is no space.

    Raises:
        UserError: no line has a tab, and all of them have a space.
    """
    if len(lines) > 1 and all(" " in line.strip(BLANKS) and "\t" not in line for line in lines):
        raise UserError(
            f"{file}: words and tags stand with spaces between them, as in {lines[0].strip(BLANKS)!r}; put a tab "
            "between a word and its tag."
        )


def read_conllu(files: Sequence[Path]) -> pa.Table:
    """Words and universal parts of speech of CoNLL-U: syntactic words; ranges (1-2) and empty nodes (1.1) are left out.

    Raises:
        UserError: a line of another form.
    """
    rows = []
    for file in files:
        words: list[str] = []
        tags: list[str] = []
        for number, line in enumerate([*read_text(file).split("\n"), ""], 1):
            if not line.strip(BLANKS):
                if words:
                    rows.append({"words": words, "tags": tags})
                words, tags = [], []
            elif not line.lstrip(BLANKS).startswith("#"):
                cells = line.strip(" \r").split("\t")
                check_conllu(cells, f"{file}, line {number}")
                if cells[0].isdigit():
                    words.append(cells[1])
                    tags.append(cells[3].strip())
    return pa.Table.from_pylist(rows, schema=TOKENS)


def check_conllu(cells: Sequence[str], where: str) -> None:
    """See that a line is one of CoNLL-U.

    Raises:
        UserError: other columns, or no number of a word in the first; the message begins with `where`.
    """
    if len(cells) == 1 and len(cells[0].split()) >= 9:
        raise UserError(
            f"{where}: the columns stand with spaces between them; the 10 columns of CoNLL-U are parted by tabs: put "
            "one tab in place of these spaces."
        )
    if len(cells) < 10 or any(cells[10:]):  # tabs that nothing follows do no harm
        raise UserError(
            f"{where}: the 10 columns of CoNLL-U are expected, not {len(cells)}: ID, FORM, LEMMA, UPOS, XPOS, FEATS, "
            "HEAD, DEPREL, DEPS, MISC, with tabs between them; write '_' in a column that is missing."
        )
    if not CONLLU_NUMBER.fullmatch(cells[0]):
        raise UserError(
            f"{where}: the first column has {cells[0]!r}, where the number of a word is expected (1, 1-2 or 1.1); a "
            "comment begins with '#'."
        )


def read_squad(
    files: Sequence[Path], choose: Callable[[int], bool] = lambda article: True, starts: bool = True
) -> pa.Table:
    """Questions of files in SQuAD's form, of the articles whose number, from 0, is chosen.

    Answers are null where the file hides them (all texts blank).

    Args:
        starts: whether the places of the answers are needed, as in training; else they are null where there are none.

    Raises:
        UserError: another form, or a place that is needed and not there.
    """
    rows = []
    for file in files:
        found = read_json(file)
        try:
            for number, article in enumerate(found["data"]):
                for paragraph in article["paragraphs"] if choose(number) else ():
                    for question in paragraph["qas"]:
                        row = {**question, "context": paragraph["context"]}
                        rows.append(question_row(row, str(file), starts))
        except (KeyError, TypeError) as error:
            raise UserError(f"{file}: not in SQuAD's form: {type(error).__name__} {error}.") from None
    hidden = not any(answer for row in rows for answer in row["answers"])
    for row in rows if hidden else ():
        row["answers"] = row["starts"] = None
    return pa.Table.from_pylist(rows, schema=QUESTIONS)


def question_row(found: dict[str, Any], where: str, starts: bool = True) -> dict[str, Any]:
    """A row of a question, from an object with its name, texts and answers.

    Raises:
        UserError: something of it is missing, or is none of what it should be; the message begins with `where`.
    """
    if found.get("id") is None:
        raise UserError(
            f"{where}: not in SQuAD's form: the question {found.get('question')!r} has no 'id'; predictions are by "
            "name, so give every question one of its own."
        )
    name = f"{where}, question {str(found['id'])!r}"
    for key in ("question", "context"):
        if not isinstance(found.get(key), str):
            raise UserError(f"{name}: a text is expected as its {key!r}, not {found.get(key)!r}.")
    answers = answers_of(found.get("answers"), name, starts)
    return {
        "id": str(found["id"]),
        "question": found["question"],
        "context": found["context"],
        "answers": [text for text, _ in answers],
        "starts": [start for _, start in answers],
    }


def answers_of(found: Any, where: str, starts: bool = True) -> list[tuple[str, int | None]]:
    """Texts of answers and their places in the context: a list of objects, as in SQuAD's files, or an object of lists,
    as `datasets` has them; none where they are hidden.

    Raises:
        UserError: another form, or no place where `starts` are needed; the message begins with `where`.
    """
    if isinstance(found, dict):
        texts, places = found.get("text") or [], found.get("answer_start") or []
        found = [
            {"text": text, "answer_start": places[number] if number < len(places) else None}
            for number, text in enumerate(texts)
        ]
    answers: list[tuple[str, int | None]] = []
    for answer in found or ():
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise UserError(f"{where}: an answer with a 'text' is expected, not {answer!r}.")
        start = answer.get("answer_start")
        right = isinstance(start, int) and abs(start) < 2**31
        if starts and not right:
            there = "has no 'answer_start'" if start is None else f"has {start!r} as its 'answer_start'"
            raise UserError(
                f"{where}: the answer {text!r} {there}: where it begins in the context, in characters from 0. Training "
                "needs that; add it, or leave the question out."
            )
        answers.append((text, start if right else None))
    return answers


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
                found = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError:
                raise UserError(f"{file}, line {number}: not UTF-8; convert the file to UTF-8.") from None
            except json.JSONDecodeError as error:
                raise UserError(f"{file}, line {number}: not valid JSON: {error.msg}.") from None
            if not isinstance(found, dict):
                raise UserError(f"{file}, line {number}: a JSON object is expected.")
            yield number, found
