"""The forms in which objectives take the rows of a batch: a collator for each name in `FORMS` of the settings."""

from collections.abc import Callable, Sequence
from typing import Any

from weam_ray.batches.batch import Batch, Vocabulary
from weam_ray.batches.pairs import PairCollator
from weam_ray.batches.sentences import SentenceCollator, WordCollator
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.settings.objective import forms
from weam_ray.settings.of_training import TrainingSettings

COLLATORS: dict[str, Any] = {"pairs": PairCollator, "sentences": SentenceCollator, "words": WordCollator}

Collate = Callable[[Sequence[tuple[RowKey, EncodedRow]], int], Batch]


def collators(settings: TrainingSettings, tokenizer: Any, packs: bool = False) -> list[Collate]:
    """Make a collator for each member of the objective, in their order; `packs` as in `Vocabulary`."""
    vocabulary = Vocabulary.of(tokenizer, packs, settings.training.padded_to)
    return [
        COLLATORS[form](vocabulary, settings.objective, settings.seeds, settings.training.max_length)
        for form in forms(settings.objective)
    ]
