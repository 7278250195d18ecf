"""Predictions on held-out pairs and sentences: losses, accuracies, and what knowing frequencies alone would give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from weam_ray.batches.batch import Vocabulary
from weam_ray.batches.pairs import PairCollator
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.measure.samples import Sample
from weam_ray.objectives.base import MaskedModel, TensorBatch, token_losses
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection

# fixed, so that runs with other masking settings or seeds are measured on the same masks
MASKING = ObjectiveSection(mask_probability=0.15, sentence_order="fixed")
SEEDS = SeedSection(data=0, masking=0, model=0)
OF_SENTENCES = {"multilingual_loss": "loss", "multilingual_accuracy": "accuracy"}  # what they are called there


def unigram_entropy(labels: NDArray[np.int64]) -> float:
    """Compute the entropy of tokens under their own frequencies, in nats: no prediction without context is better."""
    counts = np.unique(labels, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def unigram_accuracy(labels: NDArray[np.int64]) -> float:
    """Compute the share of the most frequent token: no prediction without context is right more often."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


@dataclass(frozen=True)
class Predictions:
    """What a model makes of masked tokens, (tokens,) each.

    Attributes:
        rows: the row that a token is of.
        labels: the token that was masked.
        linked: whether it has a partner.
        own_loss: in nats, predicted from its own state; `own_right` is 1 where the likeliest token is right.
        exchanged_loss: the same from the state that the exchange puts there, and `exchanged_right`.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    linked: NDArray[np.bool_]
    own_loss: torch.Tensor
    own_right: torch.Tensor
    exchanged_loss: torch.Tensor
    exchanged_right: torch.Tensor

    def scores(self) -> dict[str, float]:
        """Losses (nats a token) and accuracies, beside those of knowing frequencies alone; {} where none is masked.

        The `linked` figures are over masked tokens that have a partner, and left out where none has.
        """
        if not len(self.labels):
            return {}
        scores = {
            "multilingual_loss": float(self.own_loss.mean()),
            "unigram_entropy": unigram_entropy(self.labels),
            "multilingual_accuracy": float(self.own_right.mean()),
            "unigram_accuracy": unigram_accuracy(self.labels),
            "masked_tokens": float(len(self.labels)),
        }
        if not self.linked.any():
            return scores  # without links there is only one prediction
        has_partner = torch.from_numpy(self.linked)
        return scores | {
            "cross_lingual_loss": float(self.exchanged_loss.mean()),
            "linked_cross_lingual_loss": float(self.exchanged_loss[has_partner].mean()),
            "linked_unigram_entropy": unigram_entropy(self.labels[self.linked]),
            "linked_cross_lingual_accuracy": float(self.exchanged_right[has_partner].mean()),
            "linked_share": float(has_partner.double().mean()),
        }

    def samples(self) -> dict[str, Sample]:
        """The tokens that those of the `scores` are means over, by the row that they are of."""
        if not len(self.labels):
            return {}
        every = np.ones(len(self.labels), np.bool_)
        means = {"multilingual_loss": (self.own_loss, every), "multilingual_accuracy": (self.own_right, every)}
        if self.linked.any():
            means |= {
                "cross_lingual_loss": (self.exchanged_loss, every),
                "linked_cross_lingual_loss": (self.exchanged_loss, self.linked),
                "linked_cross_lingual_accuracy": (self.exchanged_right, self.linked),
            }
        return {
            name: Sample(values.numpy()[chosen], np.ones(chosen.sum()), self.rows[chosen])
            for name, (values, chosen) in means.items()
        }

    def of_sentences(self) -> dict[str, float]:
        """The scores of sentences that stand alone: loss, accuracy, and those of frequencies."""
        scores = self.scores()
        keys = ("multilingual_loss", "unigram_entropy", "multilingual_accuracy", "unigram_accuracy", "masked_tokens")
        return {OF_SENTENCES.get(key, key): scores[key] for key in keys if scores}


@torch.no_grad()
def predictions(
    model: Any, tokenizer: Any, rows: Sequence[EncodedRow], max_length: int, batch_size: int
) -> Predictions:
    """Predict the masked tokens of held-out pairs or sentences, each from its own state and from its partner's."""
    collator = PairCollator(Vocabulary.of(tokenizer), MASKING, SEEDS, max_length)
    masked_model = MaskedModel(model)
    model.eval()
    order = np.argsort([len(row.source_ids) + len(row.target_ids) for row in rows], kind="stable")
    own_loss, exchanged_loss, own_right, exchanged_right, linked, labels, places = [], [], [], [], [], [], []
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        collated = collator([(RowKey(0, int(number)), rows[number]) for number in chosen])
        batch = TensorBatch.of(collated, device=next(model.parameters()).device)
        partners = batch.exchange[batch.masked]
        logits = masked_model.logits(batch, torch.cat([batch.masked, partners]))
        both = torch.cat([batch.labels, batch.labels])
        losses, right = token_losses(logits, both).double().cpu(), (logits.argmax(dim=1) == both).double().cpu()
        size = len(batch.masked)
        own_loss.append(losses[:size])
        exchanged_loss.append(losses[size:])
        own_right.append(right[:size])
        exchanged_right.append(right[size:])
        linked.append((partners != batch.masked).cpu().numpy())
        labels.append(collated.labels)
        places.append(chosen[collated.masked // collated.input_ids.shape[1]])
    return Predictions(
        np.concatenate(places),
        np.concatenate(labels),
        np.concatenate(linked),
        *map(torch.cat, (own_loss, own_right, exchanged_loss, exchanged_right)),
    )
