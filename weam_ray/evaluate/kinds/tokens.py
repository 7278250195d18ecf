"""A tag for each word."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from weam_ray.encode.tokens import encoded_texts
from weam_ray.evaluate.kinds.base import Outputs
from weam_ray.evaluate.models import with_new_head
from weam_ray.model.tokenizer import SentenceTemplate
from weam_ray.settings.evaluation import Recipe

IGNORED = -100


class Tokens:
    """The tag of a word is predicted from its first subword.

    A sentence that is too long is cut between words, as XTREME does, so that every word has a prediction; so has a
    word of which the tokenizer leaves nothing, which stands as the unknown token.
    """

    head = "AutoModelForTokenClassification"
    gold_column = "tags"
    version = 1

    def gold(self, rows: pa.Table) -> list[list[str]] | None:
        return None if rows["tags"].null_count else rows["tags"].to_pylist()

    def blank(self, rows: pa.Table) -> Any:
        return [[""] * len(words) for words in rows["words"].to_pylist()]

    def labels(self, rows: pa.Table) -> set[str]:
        return {tag for tags in rows["tags"].drop_null().to_pylist() for tag in tags}

    def features(
        self, rows: pa.Table, tokenizer: Any, recipe: Recipe, labels: Sequence[str], training: bool
    ) -> tuple[pa.Table, dict[str, int]]:
        """`heads`, (subwords): the number of the word that begins at a subword, or -1."""
        numbers = {label: number for number, label in enumerate(labels)}
        template = SentenceTemplate.of(tokenizer)
        prefix, suffix = template.prefix.tolist(), template.suffix.tolist()
        room = recipe.max_length - template.num_special
        tags = self.gold(rows)
        columns: dict[str, list[Any]] = {"input_ids": [], "attention_mask": [], "labels": [], "heads": [], "row": []}
        for row, words in enumerate(rows["words"].to_pylist()):
            for piece in cut(subwords(words, tokenizer), room):
                ids = [token for _, tokens in piece for token in tokens]
                heads = [word if place == 0 else -1 for word, tokens in piece for place in range(len(tokens))]
                padded = [-1] * len(prefix) + heads + [-1] * len(suffix)
                columns["input_ids"].append([*prefix, *ids, *suffix])
                columns["attention_mask"].append([1] * len(padded))
                columns["heads"].append(padded)
                columns["labels"].append(
                    [numbers.get(tags[row][word], IGNORED) if tags and word >= 0 else IGNORED for word in padded]
                )
                columns["row"].append(row)
        return pa.table(columns), {}

    def model(self, path: str, labels: Sequence[str], recipe: Recipe) -> Any:
        return with_new_head(self.head, path, num_labels=len(labels))

    def collator(self, tokenizer: Any) -> Any:
        from transformers import DataCollatorForTokenClassification

        return DataCollatorForTokenClassification(tokenizer)

    def predictions(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe, labels: Sequence[str]
    ) -> list[list[str]]:
        found = [[""] * len(words) for words in rows["words"].to_pylist()]
        best = outputs[0].argmax(axis=2)
        for number, (row, heads) in enumerate(
            zip(features["row"].to_pylist(), features["heads"].to_pylist(), strict=True)
        ):
            for place, word in enumerate(heads):
                if word >= 0:
                    found[row][word] = labels[best[number, place]]
        assert all(tag for tags in found for tag in tags), "a word has no prediction"
        return found


def subwords(words: list[str], tokenizer: Any) -> list[list[int]]:
    """The token ids of each word of a sentence that is given in words; one at least."""
    if tokenizer.tokenize(" a") != tokenizer.tokenize("a"):  # a byte-level one, to which a space belongs to the word
        words = [f" {word}" for word in words]
    encoded = encoded_texts(tokenizer, [words], is_split_into_words=True, add_special_tokens=False)
    found: list[list[int]] = [[] for _ in words]
    for token, word in zip(encoded["input_ids"][0], encoded.word_ids(0), strict=True):
        if word is not None:
            found[word].append(token)
    return [tokens or [tokenizer.unk_token_id] for tokens in found]


def cut(words: list[list[int]], room: int) -> list[list[tuple[int, list[int]]]]:
    """Neighbouring words, numbered, in pieces of at most `room` tokens; a word that is longer loses its end."""
    pieces: list[list[tuple[int, list[int]]]] = [[]]
    size = 0
    for number, whole in enumerate(words):
        tokens = whole[:room]
        if size + len(tokens) > room:
            pieces.append([])
            size = 0
        pieces[-1].append((number, tokens))
        size += len(tokens)
    return pieces
