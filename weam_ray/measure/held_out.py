"""What a run measures on its held-out rows: sentence retrieval, both predictions, and sentences that stand alone."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from weam_ray.encode.rows import EncodedRow, EncodedShard
from weam_ray.measure.names import named
from weam_ray.measure.prediction import prediction_scores, sentence_scores
from weam_ray.measure.sentence_retrieval import retrieval_scores
from weam_ray.measure.states import check_layer, sentence_vectors
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.store.stages import Stage

ENGLISH = "en"
NO_LANGUAGE = ""  # of the target of unpaired text
Figures = tuple[float, dict[str, float]]  # the value that a search compares, and the figures behind it, as in MLflow


@dataclass(frozen=True)
class HeldOut:
    """The held-out rows of a run, by language pair (source, target); the target of unpaired text is empty."""

    rows: dict[tuple[str, str], list[EncodedRow]]

    @classmethod
    def of(cls, encoded: Stage) -> "HeldOut":
        rows: dict[tuple[str, str], list[EncodedRow]] = {}
        for file in encoded.files("held_out"):
            table = encoded.read_arrow(file)
            if not table.num_rows:
                continue
            shard = EncodedShard(table)
            pair = (table["source_lang"][0].as_py(), table["target_lang"][0].as_py())
            rows.setdefault(pair, []).extend(shard.row(number) for number in range(len(shard)))
        return cls(rows)

    @property
    def pairs(self) -> dict[tuple[str, str], list[EncodedRow]]:
        return {pair: rows for pair, rows in self.rows.items() if pair[1] != NO_LANGUAGE}

    def sentences(self) -> dict[str, list[EncodedRow]]:
        """Return every sentence of each language once, as unpaired text."""
        found: dict[str, dict[bytes, EncodedRow]] = {}
        for languages, rows in self.rows.items():
            for row in rows:
                for language, own in zip(languages, (row, row.swapped()), strict=True):
                    if language != NO_LANGUAGE:
                        found.setdefault(language, {}).setdefault(own.source_ids.tobytes(), own.alone())
        return {language: list(own.values()) for language, own in sorted(found.items())}

    def pivot(self, setting: str | None) -> str:
        """The language that retrieval goes to: the setting, or the one in most language pairs, English on ties."""
        counts = Counter(language for pair in self.pairs for language in pair)
        return setting or min(counts, key=lambda language: (-counts[language], language != ENGLISH, language))

    def measure(self, model: Any, tokenizer: Any, settings: TrainingSettings) -> dict[str, Any]:
        """Measure an encoder on the held-out rows.

        Returns:
            `retrieval` by language; `loss`, the `prediction_scores` of all held-out pairs; and `sentences`, the
            `sentence_scores` by language, without languages of which no token happens to be masked.
        """
        if not self.rows:
            return {"retrieval": {}, "loss": {}, "sentences": {}}
        size = (settings.training.max_length, settings.evaluation.batch_size)
        pairs = [row for rows in self.pairs.values() for row in rows]
        return {
            "retrieval": self.retrieval(model, tokenizer, settings) if pairs else {},
            "loss": prediction_scores(model, tokenizer, pairs, *size) if pairs else {},
            "sentences": self.prediction_alone(model, tokenizer, settings),
        }

    def prediction_alone(self, model: Any, tokenizer: Any, settings: TrainingSettings) -> dict[str, dict[str, float]]:
        """Compute `sentence_scores` by language."""
        size = (settings.training.max_length, settings.evaluation.batch_size)
        return {
            language: scores
            for language, rows in self.sentences().items()
            if (scores := sentence_scores(model, tokenizer, rows, *size))
        }

    def retrieval(self, model: Any, tokenizer: Any, settings: TrainingSettings) -> dict[str, dict[str, float]]:
        """Compute `retrieval_scores` by language.

        A pair of languages without the pivot stands under `source-target`, its target language as the pivot.
        """
        evaluation = settings.evaluation
        check_layer(model, evaluation.layer)
        pivot = self.pivot(evaluation.pivot)
        sides = [
            [ids.tobytes() for ids in side]
            for rows in self.pairs.values()
            for side in ([row.source_ids for row in rows], [row.target_ids for row in rows])
        ]
        # a sentence that stands in several language pairs is encoded once
        numbers = {key: number for number, key in enumerate(dict.fromkeys(chain.from_iterable(sides)))}
        sentences = [np.frombuffer(key, np.int32) for key in numbers]
        size = (settings.training.max_length, evaluation.batch_size)
        encoded = sentence_vectors(model, tokenizer, sentences, evaluation.layer, *size)
        every = iter([encoded[[numbers[key] for key in side]] for side in sides])
        retrieval: dict[str, dict[str, float]] = {}
        for source, target in self.pairs:
            vectors = [next(every), next(every)]
            if source == pivot:
                name, goal, (other, centre) = target, pivot, vectors[::-1]
            else:
                name = source if target == pivot else f"{source}-{target}"
                goal, (other, centre) = target, vectors
            if name in retrieval:  # both directions of a language pair are there
                name = f"{source}-{target}"
            retrieval[name] = retrieval_scores(other, centre, "english" if goal == ENGLISH else goal)
        return retrieval


def mean_retrieval(held_out: HeldOut, model: Any, tokenizer: Any, settings: TrainingSettings) -> Figures:
    """Compute the mean P@1, a share, over both ways and all languages, each language's mean removed."""
    retrieval = held_out.retrieval(model, tokenizer, settings)
    values = [value for own in retrieval.values() for key, value in own.items() if not key.endswith("_uncentred")]
    return sum(values) / len(values), named({"retrieval": retrieval}, "after")


def multilingual_loss(held_out: HeldOut, model: Any, tokenizer: Any, settings: TrainingSettings) -> Figures:
    """Compute the loss, in nats a token, with masks that are the same whatever the run's mask probability and seeds."""
    pairs = [row for rows in held_out.pairs.values() for row in rows]
    loss = prediction_scores(model, tokenizer, pairs, settings.training.max_length, settings.evaluation.batch_size)
    return loss["multilingual_loss"], named({"loss": loss}, "after")


def retrieval_and_prediction(held_out: HeldOut, model: Any, tokenizer: Any, settings: TrainingSettings) -> Figures:
    """Compute the geometric mean of `mean_retrieval` and of the share of masked tokens that are right.

    The latter is of sentences that stand alone, the mean over languages. So retrieval that is bought by forgetting to
    predict is worth nothing.
    """
    retrieval, figures = mean_retrieval(held_out, model, tokenizer, settings)
    sentences = held_out.prediction_alone(model, tokenizer, settings)
    right = [own["accuracy"] for own in sentences.values()]
    accuracy = sum(right) / len(right) if right else 0.0
    return math.sqrt(retrieval * accuracy), figures | named({"sentences": sentences}, "after")


FIGURES: dict[str, Callable[[HeldOut, Any, Any, TrainingSettings], Figures]] = {  # by the metric of a search
    "retrieval": mean_retrieval,
    "held_out_loss": multilingual_loss,
    "retrieval_and_prediction": retrieval_and_prediction,
}
