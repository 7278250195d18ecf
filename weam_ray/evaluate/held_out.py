"""What a run measures on its held-out pairs: sentence retrieval and both predictions."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from weam_ray.config import Config
from weam_ray.encode.rows import EncodedRow, EncodedShard
from weam_ray.evaluate.prediction import prediction_scores
from weam_ray.evaluate.retrieval import retrieval_scores
from weam_ray.evaluate.states import check_layer, sentence_vectors
from weam_ray.storage import Stage

ENGLISH = "en"


@dataclass(frozen=True)
class HeldOut:
    """The held-out rows of a run, by language pair (source, target)."""

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

    def pivot(self, setting: str | None) -> str:
        """The language that retrieval goes to: the setting, or the one in most language pairs, English on ties."""
        counts = Counter(language for pair in self.rows for language in pair)
        return setting or min(counts, key=lambda language: (-counts[language], language != ENGLISH, language))

    def measure(self, model: Any, tokenizer: Any, config: Config) -> dict[str, Any]:
        """`retrieval` by language, and `loss`: the figures of `prediction_scores` over all held-out pairs.

        A pair of languages without the pivot stands under `source-target`, its target language as the pivot.
        """
        if not self.rows:
            return {"retrieval": {}, "loss": {}}
        settings, max_length = config.evaluation, config.training.max_length
        check_layer(model, settings.layer)
        pivot = self.pivot(settings.pivot)
        retrieval = {}
        for (source, target), rows in self.rows.items():
            sides = [[row.source_ids for row in rows], [row.target_ids for row in rows]]
            vectors = [
                sentence_vectors(model, tokenizer, side, settings.layer, max_length, settings.batch_size)
                for side in sides
            ]
            if source == pivot:
                name, goal, (other, centre) = target, pivot, vectors[::-1]
            else:
                name = source if target == pivot else f"{source}-{target}"
                goal, (other, centre) = target, vectors
            if name in retrieval:  # both directions of a language pair are there
                name = f"{source}-{target}"
            retrieval[name] = retrieval_scores(other, centre, "english" if goal == ENGLISH else goal)
        everything = [row for rows in self.rows.values() for row in rows]
        loss = prediction_scores(model, tokenizer, everything, max_length, settings.batch_size)
        return {"retrieval": retrieval, "loss": loss}
