"""LAReQA, XQuAD-R (Roy et al. 2020): the sentences that answer a question, in all languages, among all sentences.

Trained on SQuAD's questions and the sentences with their answers, as two encoders of one model.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.formats import read_json
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Layout, Pool, Split, Task
from weam_ray.evaluate.tasks.reading import CANDIDATES, QUERIES, SENTENCES, answers_of, read_squad
from weam_ray.settings.evaluation import Recipe

SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")


def own_files(root: Path) -> list[Path]:
    """One file a language: all of them are searched, whichever languages ask."""
    return sorted((root / "lareqa" / "xquad-r").glob("*.json"))


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    if split == "train":
        return [root / "squad" / "train-v1.1.json"] if language.code == ENGLISH else []
    if split == "dev":
        english = root / "lareqa" / "xquad-r" / "en.json"
        return [root / "squad" / "dev-v1.1.json", english] if language.code == ENGLISH else []
    own = root / "lareqa" / "xquad-r" / f"{language.code}.json"
    return [own, *(file for file in own_files(root) if file != own)]


def paragraphs(file: Path) -> Iterator[tuple[str, str, list[tuple[int, int]], list[tuple[str, str, int]]]]:
    """Name, context, sentences as (start, end), and questions, as (name, text, start of the answer), of paragraphs.

    Raises:
        UserError: another form.
    """
    try:
        found = [part for article in read_json(file)["data"] for part in article["paragraphs"]]
        for number, part in enumerate(found, 1):
            breaks = [(start, end) for start, end in part["sentence_breaks"]]
            questions = [(own["id"], own["question"], start_of(own, file)) for own in part["qas"]]
            yield f"{file.stem}_{number}", part["context"], breaks, questions
    except UserError:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not in the form of XQuAD-R: {type(error).__name__} {error}.") from None


def start_of(question: dict[str, Any], file: Path) -> int:
    """Where the first answer of a question begins.

    Raises:
        UserError: it has no answer, or one without a place.
    """
    answers = answers_of(question["answers"], f"{file}, question {question['id']!r}")
    starts = [start for _, start in answers if start is not None]
    if not starts:
        raise UserError(
            f"{file}: not in the form of XQuAD-R: the question {question['id']!r} has no answer, whose sentence is "
            "looked for."
        )
    return starts[0]


def sentence_of(breaks: Sequence[tuple[int, int]], start: int) -> int | None:
    return next((number for number, (first, end) in enumerate(breaks) if first <= start < end), None)


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    return read_queries(files) if split == "test" else read_pairs(files)


def read_queries(files: Sequence[Path]) -> pa.Table:
    """Questions of the first file; targets are the sentences with the same question's answer in every file."""
    targets: dict[str, list[str]] = {}
    rows = []
    for file in files:
        for name, _, breaks, questions in paragraphs(file):
            for question, text, start in questions:
                number = sentence_of(breaks, start)
                if number is None:
                    continue  # broken in the middle of the answer: official LAReQA leaves it out too
                targets.setdefault(question, []).append(f"{name}_{number}")
                if file == files[0]:
                    rows.append({"id": question, "text": text})
    return pa.Table.from_pylist([{**row, "targets": targets[row["id"]]} for row in rows], schema=QUERIES)


def read_pairs(files: Sequence[Path]) -> pa.Table:
    """Questions of SQuAD with the sentence that has the answer, and its context, but for those of a second file."""
    tested = {name for file in files[1:] for *_, questions in paragraphs(file) for name, _, _ in questions}
    rows = []
    for row in read_squad(files[:1]).to_pylist():
        if row["starts"] and row["id"] not in tested:
            ends = [match.end() for match in SENTENCE_END.finditer(row["context"])]
            breaks = list(zip([0, *ends], [*ends, len(row["context"])], strict=True))
            number = sentence_of(breaks, row["starts"][0])
            if number is not None:
                start, end = breaks[number]
                rows.append({"text": row["question"], "pair": candidate_text(row["context"], start, end)})
    return pa.Table.from_pylist(rows, schema=SENTENCES)


def candidate_text(context: str, start: int, end: int) -> str:
    """A sentence and its context, as XTREME-R joins them."""
    return (context[start:end] + context).replace("\n", "")


def candidates(files: Sequence[Path]) -> Iterator[pa.Table]:
    for file in files:
        rows = [
            {"id": f"{name}_{number}", "text": candidate_text(context, start, end)}
            for name, context, breaks, _ in paragraphs(file)
            for number, (start, end) in enumerate(breaks)
        ]
        yield pa.Table.from_pylist(rows, schema=CANDIDATES)


TASK = Task(
    name="lareqa",
    reference="https://aclanthology.org/2020.emnlp-main.477/",
    licence="CC BY-SA 4.0",
    revision="XQuAD-R",
    kind="retrieval",
    metric="map@20",
    recipe=Recipe(learning_rate=2e-5, epochs=3, batch_size=16, micro_batch_size=4, max_length=256, max_query=96),
    layouts=(Layout("official", files, read),),
    form=formats.RANKINGS,
    score=official.map_at_20,
    pool=Pool(lambda root, language: own_files(root), candidates),
    notes=("English training sentences are split by punctuation.",),
)
