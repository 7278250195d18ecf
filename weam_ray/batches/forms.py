"""The forms in which objectives take the rows of a batch, by the names that their section gives."""

from collections.abc import Callable, Sequence
from typing import Any

from weam_ray.batches.batch import Batch, Vocabulary
from weam_ray.batches.pairs import PairCollator
from weam_ray.batches.sentences import SentenceCollator, WordCollator
from weam_ray.encode.rows import EncodedRow, RowKey
from weam_ray.settings.config import Config
from weam_ray.settings.objective import forms

COLLATORS: dict[str, Any] = {"pairs": PairCollator, "sentences": SentenceCollator, "words": WordCollator}

Collate = Callable[[Sequence[tuple[RowKey, EncodedRow]], int], Batch]


def collators(config: Config, tokenizer: Any, packs: bool = False) -> list[Collate]:
    """A collator for each member of the objective, in their order; `packs` as in `Vocabulary`."""
    vocabulary = Vocabulary.of(tokenizer, packs, config.training.padded_to)
    return [
        COLLATORS[form](vocabulary, config.objective, config.seeds, config.training.max_length)
        for form in forms(config.objective)
    ]
