"""Predictions on held-out pairs and sentences: losses, accuracies, and what knowing frequencies alone would give."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from weam_ray.batches.batch import Vocabulary
from weam_ray.batches.pairs import PairCollator
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.objectives.base import MaskedModel, TensorBatch, token_losses
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection

# fixed, so that runs with other masking settings or seeds are measured on the same masks
MASKING = ObjectiveSection(mask_probability=0.15, sentence_order="fixed")
SEEDS = SeedSection(data=0, masking=0, model=0)


def unigram_entropy(labels: NDArray[np.int64]) -> float:
    """Compute the entropy of tokens under their own frequencies, in nats: no prediction without context is better."""
    counts = np.unique(labels, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def unigram_accuracy(labels: NDArray[np.int64]) -> float:
    """Compute the share of the most frequent token: no prediction without context is right more often."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def sentence_scores(
    model: Any, tokenizer: Any, sentences: Sequence[EncodedRow], max_length: int, batch_size: int
) -> dict[str, float]:
    """Measure loss (nats a token) and accuracy on masked tokens of single sentences, and those of frequencies alone."""
    scores = prediction_scores(model, tokenizer, sentences, max_length, batch_size)
    names = {"multilingual_loss": "loss", "multilingual_accuracy": "accuracy"}
    keys = ("multilingual_loss", "unigram_entropy", "multilingual_accuracy", "unigram_accuracy", "masked_tokens")
    return {names.get(key, key): scores[key] for key in keys if scores}


@torch.no_grad()
def prediction_scores(
    model: Any, tokenizer: Any, rows: Sequence[EncodedRow], max_length: int, batch_size: int
) -> dict[str, float]:
    """Measure losses (nats a token) and accuracies on the masked tokens of held-out pairs; {} where none is masked.

    `multilingual_loss` predicts each masked token from its own state, `cross_lingual_loss` from the state that the
    exchange puts there; the `linked` figures are over masked tokens that have a partner, and left out where none has.
    """
    collator = PairCollator(Vocabulary.of(tokenizer), MASKING, SEEDS, max_length)
    masked_model = MaskedModel(model)
    model.eval()
    order = np.argsort([len(row.source_ids) + len(row.target_ids) for row in rows], kind="stable")
    own_loss, exchanged_loss, own_right, exchanged_right, linked, labels = [], [], [], [], [], []
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        collated = collator([(RowKey(0, int(number)), rows[number]) for number in chosen])
        batch = TensorBatch.of(collated, device=next(model.parameters()).device)
        partners = batch.exchange[batch.masked]
        logits = masked_model.logits(batch, torch.cat([batch.masked, partners]))
        both = torch.cat([batch.labels, batch.labels])
        losses, right = token_losses(logits, both).double().cpu(), (logits.argmax(dim=1) == both).cpu()
        size = len(batch.masked)
        own_loss.append(losses[:size])
        exchanged_loss.append(losses[size:])
        own_right.append(right[:size])
        exchanged_right.append(right[size:])
        linked.append((partners != batch.masked).cpu())
        labels.append(batch.labels.cpu())
    has_partner = torch.cat(linked)
    label_ids = torch.cat(labels)
    if not len(label_ids):
        return {}

    def mean(values: list[torch.Tensor], where: torch.Tensor | None = None) -> float:
        joined = torch.cat(values).double()
        return float((joined if where is None else joined[where]).mean())

    scores = {
        "multilingual_loss": mean(own_loss),
        "unigram_entropy": unigram_entropy(label_ids.numpy()),
        "multilingual_accuracy": mean(own_right),
        "unigram_accuracy": unigram_accuracy(label_ids.numpy()),
        "masked_tokens": float(len(label_ids)),
    }
    if not has_partner.any():
        return scores  # without links there is only one prediction
    return scores | {
        "cross_lingual_loss": mean(exchanged_loss),
        "linked_cross_lingual_loss": mean(exchanged_loss, has_partner),
        "linked_unigram_entropy": unigram_entropy(label_ids[has_partner].numpy()),
        "linked_cross_lingual_accuracy": mean(exchanged_right, has_partner),
        "linked_share": float(has_partner.double().mean()),
    }
