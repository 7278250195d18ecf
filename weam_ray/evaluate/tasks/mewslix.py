"""Mewsli-X (Ruder et al. 2021): the entity of Wikidata that a mention in a news text means, among a million.

Trained on mentions in English Wikipedia and the descriptions of their entities, as two encoders of one model.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate import formats, official
from weam_ray.evaluate.languages import ENGLISH, Language
from weam_ray.evaluate.tasks.base import Layout, Pool, Split, Task
from weam_ray.evaluate.tasks.reading import CANDIDATES, QUERIES, SENTENCES, json_lines
from weam_ray.settings.evaluation import Recipe

ROWS = 20_000  # of candidates in memory at once


def files(root: Path, split: Split, language: Language) -> Sequence[Path]:
    folder = root / "mewslix"
    if split == "test":
        return [folder / "wikinews_mentions" / f"test-{language.code}.jsonl"]
    return [folder / f"wikipedia_pairs-{split}.jsonl"] if language.code == ENGLISH else []


def mention_text(context: dict[str, Any], mention: dict[str, Any]) -> str:
    """The mention, a colon, and its sentence with the mention in braces; other braces become parentheses.

    The mention stands first too, so that no truncation loses it.
    """
    start, end = mention["mention_span"]["start"], mention["mention_span"]["end"]
    spans = [(span["start"], span["end"]) for span in context["sentence_spans"]]
    first, last = next(
        ((first, last) for first, last in spans if first <= start and end <= last), (0, len(context["text"]))
    )
    inside = context["text"][start:end]
    before, after = (
        re.sub(r"\{(.*?)\}", r"(\1)", context["text"][low:high]) for low, high in ((first, start), (end, last))
    )
    return " ".join(f"{inside}: {before} {{ {inside} }} {after}".split())


def read(files: Sequence[Path], split: Split, language: Language) -> pa.Table:
    """Mentions with the entities that they mean; hidden where every one is blank. Training: mention and entity."""
    try:
        if split != "test":
            rows = [
                {
                    "text": mention_text(row["contextual_mention"]["context"], row["contextual_mention"]["mention"]),
                    "pair": entity_text(row["entity"]),
                }
                for file in files
                for _, row in json_lines(file)
            ]
            return pa.Table.from_pylist(rows, schema=SENTENCES)
        queries = [
            {
                "id": str(mention["example_id"]),
                "text": mention_text(row["context"], mention),
                "targets": [mention["entity_id"]] if mention["entity_id"] else None,  # blank in files without labels
            }
            for file in files
            for _, row in json_lines(file)
            for mention in row["mentions"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{files[0]}: not in the form of Mewsli-X: {type(error).__name__} {error}.") from None
    return pa.Table.from_pylist(queries, schema=QUERIES)


def entity_text(entity: dict[str, Any]) -> str:
    """The sentences of an entity's description."""
    sentences = [entity["description"][span["start"] : span["end"]] for span in entity["sentence_spans"]]
    return " ".join(" ".join(sentences).split())


def candidates(files: Sequence[Path]) -> Iterator[pa.Table]:
    rows = json_lines(files[0])
    try:
        while some := list(islice(rows, ROWS)):
            found = [{"id": row["entity_id"], "text": entity_text(row)} for _, row in some]
            yield pa.Table.from_pylist(found, schema=CANDIDATES)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{files[0]}: the keys entity_id, description and sentence_spans are expected: {type(error).__name__} "
            f"{error}."
        ) from None


TASK = Task(
    name="mewslix",
    reference="https://aclanthology.org/2021.emnlp-main.802/",
    licence="CC BY 2.5 (Wikinews), CC BY-SA 3.0 (Wikipedia)",
    revision="XTREME-R",
    kind="retrieval",
    metric="map@20",
    recipe=Recipe(learning_rate=2e-5, epochs=2, batch_size=256, micro_batch_size=64, max_length=64),
    large={"learning_rate": 1e-5, "batch_size": 32, "micro_batch_size": 8},
    layouts=(Layout("xtreme", files, read),),
    form=formats.RANKINGS,
    score=official.map_at_20,
    hidden_labels=lambda root, language: root / "mewslix" / "wikinews_labels" / f"test-{language.code}.json",
    pool=Pool(lambda root, language: [root / "mewslix" / "candidate_set_entities.jsonl"], candidates),
)
