"""Retrieval: two texts that belong together have near vectors; one encoder for both (Ruder et al. 2021, XTREME-R)."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from weam_ray.encode.tokens import encoded_texts
from weam_ray.evaluate.kinds.base import Outputs
from weam_ray.evaluate.models import encoder_of
from weam_ray.settings.evaluation import Recipe

TEXTS = ("text", "pair")
SCALE = 100.0  # of cosines in the softmax, where training begins


class Retrieval:
    """Training: each text finds its pair among those of its batch. Test rows are ranked by `rankings`, not here."""

    head = "AutoModel"
    gold_column = "targets"
    version = 2  # of its vectors, and of what pairs are looked for among: 1 had first tokens and the whole batch

    def gold(self, rows: pa.Table) -> Any:
        if rows["targets"].null_count:
            return None
        return dict(zip(rows["id"].to_pylist(), rows["targets"].to_pylist(), strict=True))

    def blank(self, rows: pa.Table) -> Any:
        return dict.fromkeys(rows["id"].to_pylist(), ())

    def labels(self, rows: pa.Table) -> set[str]:
        return set()

    def features(
        self, rows: pa.Table, tokenizer: Any, recipe: Recipe, labels: Sequence[str], training: bool
    ) -> tuple[pa.Table, dict[str, int]]:
        columns: dict[str, Any] = {"row": list(range(rows.num_rows))}
        for side, length in zip(TEXTS, (recipe.query_length, recipe.max_length), strict=True):
            encoded = encoded_texts(tokenizer, rows[side].to_pylist(), truncation=True, max_length=length)
            columns |= {f"{side}_{name}": encoded[name] for name in tokenizer.model_input_names if name in encoded}
        return pa.table(columns), {}

    def model(self, path: str, labels: Sequence[str], recipe: Recipe) -> Any:
        return two_encoders(path, recipe)

    def collator(self, tokenizer: Any) -> Any:
        return lambda rows: {
            f"{side}_{name}": values
            for side in TEXTS
            for name, values in tokenizer.pad(
                [side_of(row, side) for row in rows],
                return_tensors="pt",
            ).items()
        }

    def predictions(
        self, outputs: Outputs, features: pa.Table, rows: pa.Table, recipe: Recipe, labels: Sequence[str]
    ) -> Any:
        """On pairs of the development set: whether each text found its pair in its batch."""
        return outputs[-1].reshape(-1).tolist()


class Nearest(Retrieval):
    """Retrieval without training, of one candidate for each query."""

    version = 1

    def gold(self, rows: pa.Table) -> list[str] | None:
        if rows["targets"].null_count:
            return None
        return [target for (target,) in rows["targets"].to_pylist()]

    def blank(self, rows: pa.Table) -> Any:
        return [""] * rows.num_rows


def side_of(inputs: dict[str, Any], side: str) -> dict[str, Any]:
    """What the encoder takes of one of the two texts."""
    return {key.removeprefix(f"{side}_"): value for key, value in inputs.items() if key.startswith(f"{side}_")}


def text_vectors(outputs: Any, recipe: Recipe) -> Any:
    """(B, H): the pooler's output for each text, as in XTREME-R's script, or the state of its first token.

    An encoder without a pooler gives the latter.
    """
    pooled = getattr(outputs, "pooler_output", None)
    return outputs.last_hidden_state[:, 0] if pooled is None or recipe.vector == "first_token" else pooled


def two_encoders(path: str, recipe: Recipe) -> Any:
    """A module whose loss is a softmax over the pairs of a forward pass, both sides of which share the encoder.

    The vector of a text has length 1; the scale of cosines is learned, as in XTREME-R.
    """
    import torch
    from torch import nn

    class TwoEncoders(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base_model = encoder_of(path)
            self.config = self.base_model.config
            self.scale = nn.Parameter(torch.tensor(SCALE))

        def forward(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
            """Loss, and (B,) whether a text's nearest pair is its own."""
            vectors = []
            for side in TEXTS:
                own = side_of(inputs, side)
                vectors.append(nn.functional.normalize(text_vectors(self.base_model(**own), recipe), dim=1))
            similarities = vectors[0] @ vectors[1].T * self.scale
            own_pair = torch.arange(len(similarities), device=similarities.device)
            loss = nn.functional.cross_entropy(similarities, own_pair)
            return {"loss": loss, "found": (similarities.argmax(dim=1) == own_pair).float()}

    return TwoEncoders()
