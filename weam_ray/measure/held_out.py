"""What a run measures on its held-out rows: sentence retrieval, both predictions, and sentences that stand alone."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.corpus.parts import Part, held_out_parts
from weam_ray.encode.rows import EncodedRow, EncodedShard
from weam_ray.errors import UserError
from weam_ray.measure.names import MEAN, named
from weam_ray.measure.prediction import OF_SENTENCES, Predictions, predictions
from weam_ray.measure.samples import Figures, Sample, intervals
from weam_ray.measure.sentence_retrieval import retrieval_hits
from weam_ray.measure.states import check_layer, sentence_vectors
from weam_ray.pipeline import Data
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.store.stages import Stage

ENGLISH = "en"
NO_LANGUAGE = ""  # of the target of unpaired text
UNCENTRED = "_uncentred"
APART = 2**40  # numbers of sentences that stand alone, beyond those of pairs
Hits = tuple[dict[str, NDArray[np.bool_]], NDArray[np.int64]]


@dataclass(frozen=True)
class HeldOut:
    """The held-out rows of a run, by language pair (source, target); the target of unpaired text is empty."""

    rows: dict[tuple[str, str], list[EncodedRow]]

    @classmethod
    def of(cls, data: Data, part: Part | None) -> "HeldOut":
        """Those of a part; None: all."""
        parts = {} if part is None else held_out_parts(data.corpus, data.config.corpus.held_out_seed)
        return cls.read(data.encoded, None if part is None else {name for name, own in parts.items() if own == part})

    @classmethod
    def read(cls, encoded: Stage, names: Collection[str] | None = None) -> "HeldOut":
        """Those with some `pair_id`s; None: all."""
        rows: dict[tuple[str, str], list[EncodedRow]] = {}
        for file in encoded.files("held_out"):
            table = encoded.read_arrow(file)
            if names is not None:
                table = table.filter(pc.is_in(table["pair_id"], pa.array(list(names), pa.string())))
            if not table.num_rows:
                continue
            shard = EncodedShard(table)
            pair = (table["source_lang"][0].as_py(), table["target_lang"][0].as_py())
            rows.setdefault(pair, []).extend(shard.row(number) for number in range(len(shard)))
        return cls(rows)

    @property
    def pairs(self) -> dict[tuple[str, str], list[EncodedRow]]:
        return {pair: rows for pair, rows in self.rows.items() if pair[1] != NO_LANGUAGE}

    def check_pairs(self) -> None:
        """See that there are pairs.

        Raises:
            UserError: there are none, so that nothing can be compared.
        """
        if not self.pairs:
            raise UserError(
                "No pairs are held out to compare by: corpus.held_out is too low, or the corpus, of which at most a "
                "fifth is held out, too small."
            )

    def sizes(self) -> dict[str, int]:
        """How many rows there are, by language pair, such as `en-de`."""
        return {"-".join(filter(None, pair)): len(rows) for pair, rows in self.rows.items()}

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
            `retrieval` by language; `loss`, the `scores` of predictions on all held-out pairs; `sentences`, those
            `of_sentences` by language, without languages of which no token happens to be masked; and the `intervals` of
            all three.
        """
        if not self.rows:
            return {"retrieval": {}, "loss": {}, "sentences": {}, "intervals": {}}
        size = (settings.training.max_length, settings.evaluation.batch_size)
        pairs = [row for rows in self.pairs.values() for row in rows]
        hits = self.hits(model, tokenizer, settings) if pairs else {}
        together = predictions(model, tokenizer, pairs, *size) if pairs else None
        alone = {language: predictions(model, tokenizer, rows, *size) for language, rows in self.sentences().items()}
        return {
            "retrieval": shares(hits),
            "loss": {} if together is None else together.scores(),
            "sentences": {language: scores for language, own in alone.items() if (scores := own.of_sentences())},
            "intervals": {
                "retrieval": intervals_of_retrieval(hits),
                "loss": {} if together is None else intervals(together.samples()),
                "sentences": {language: own for language, found in alone.items() if (own := of_sentences(found))},
            },
        }

    def hits(self, model: Any, tokenizer: Any, settings: TrainingSettings) -> dict[str, Hits]:
        """Whether each translation is the nearest sentence, by language and the ways of `retrieval_hits`, and the names
        of the sentences asked for.

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
        every = iter([[numbers[key] for key in side] for side in sides])
        found: dict[str, Hits] = {}
        for source, target in self.pairs:
            chosen = [next(every), next(every)]
            if source == pivot:
                name, goal, (other, centre) = target, pivot, chosen[::-1]
            else:
                name = source if target == pivot else f"{source}-{target}"
                goal, (other, centre) = target, chosen
            if name in found:  # both directions of a language pair are there
                name = f"{source}-{target}"
            hits = retrieval_hits(encoded[other], encoded[centre], "english" if goal == ENGLISH else goal)
            found[name] = hits, np.array(centre)
        return found


def shares(hits: dict[str, Hits]) -> dict[str, dict[str, float]]:
    """The share of hits by language and way."""
    return {name: {way: float(found.mean()) for way, found in own.items()} for name, (own, _) in hits.items()}


def samples_of(hits: dict[str, Hits]) -> dict[str, dict[str, Sample]]:
    """Hits by language and way as samples."""
    return {
        name: {way: Sample(found.astype(np.float64), np.ones(len(found)), units) for way, found in own.items()}
        for name, (own, units) in hits.items()
    }


def intervals_of_retrieval(hits: dict[str, Hits]) -> dict[str, dict[str, list[float]]]:
    """The intervals of P@1 by language and way, and those of the `mean` over languages."""
    samples = samples_of(hits)
    ways = dict.fromkeys(way for own in samples.values() for way in own)
    means = {way: [own[way] for own in samples.values() if way in own] for way in ways}
    return {**{name: intervals(own) for name, own in samples.items()}, MEAN: intervals(means)} if hits else {}


def of_sentences(found: Predictions) -> dict[str, list[float]]:
    """The intervals of the scores of sentences that stand alone."""
    return intervals({OF_SENTENCES[name]: own for name, own in found.samples().items() if name in OF_SENTENCES})


def mean_retrieval(held_out: HeldOut, model: Any, tokenizer: Any, settings: TrainingSettings) -> Figures:
    """Compute the mean P@1, a share, over both ways and all languages, each language's mean removed."""
    held_out.check_pairs()
    found = held_out.hits(model, tokenizer, settings)
    samples = [
        sample for own in samples_of(found).values() for way, sample in own.items() if not way.endswith(UNCENTRED)
    ]
    return Figures.of(named({"retrieval": shares(found)}, "after"), {"retrieval": samples})


def multilingual_loss(held_out: HeldOut, model: Any, tokenizer: Any, settings: TrainingSettings) -> Figures:
    """Compute the loss, in nats a token, with masks that are the same whatever the run's mask probability and seeds."""
    held_out.check_pairs()
    pairs = [row for rows in held_out.pairs.values() for row in rows]
    size = (settings.training.max_length, settings.evaluation.batch_size)
    found = predictions(model, tokenizer, pairs, *size)
    loss = found.scores()
    sample = Sample(found.own_loss.numpy(), np.ones(len(found.rows)), found.rows)
    return Figures.of(named({"loss": loss}, "after"), {"loss": [sample]})


def retrieval_and_prediction(held_out: HeldOut, model: Any, tokenizer: Any, settings: TrainingSettings) -> Figures:
    """Compute the geometric mean of `mean_retrieval` and of the share of masked tokens that are right.

    The latter is of sentences that stand alone, the mean over languages. So retrieval that is bought by forgetting to
    predict is worth nothing.
    """
    retrieval = mean_retrieval(held_out, model, tokenizer, settings)
    size = (settings.training.max_length, settings.evaluation.batch_size)
    scores, samples, first = {}, [], APART
    for language, rows in held_out.sentences().items():
        found = predictions(model, tokenizer, rows, *size)
        if len(found.rows):
            scores[language] = found.of_sentences()
            samples.append(Sample(found.own_right.numpy(), np.ones(len(found.rows)), first + found.rows))
        first += len(rows)
    return Figures.of(
        retrieval.figures | named({"sentences": scores}, "after"),
        {**retrieval.samples, "accuracy": samples},
    )


FIGURES: dict[str, Callable[[HeldOut, Any, Any, TrainingSettings], Figures]] = {  # by the metric of a search
    "retrieval": mean_retrieval,
    "held_out_loss": multilingual_loss,
    "retrieval_and_prediction": retrieval_and_prediction,
}
