"""Model families: where each keeps its encoder, its head and its layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weam_ray.model.transformers_private import attention_of

if TYPE_CHECKING:
    import torch


POSITION_TABLES = ("position_embeddings", "embed_positions", "wpe")


@dataclass(frozen=True)
class Family:
    """How a model family calls its parts.

    Attributes:
        encoder: the encoder of a masked language model.
        transform: what its head makes of states, (..., hidden), before it predicts words.
        decoder: the layer that predicts words from what `transform` gives.
        stack: the part of the encoder whose `layer` are its layers.
    """

    encoder: Callable[[Any], Any]
    transform: Callable[[Any, "torch.Tensor"], "torch.Tensor"]
    decoder: Callable[[Any], "torch.nn.Linear"]
    stack: Callable[[Any], Any] = lambda encoder: encoder.encoder

    def head(self, model: Any, states: "torch.Tensor") -> "torch.Tensor":
        """(..., vocabulary) logits of states, (..., hidden)."""
        logits: torch.Tensor = self.decoder(model)(self.transform(model, states))
        return logits


def _roberta_transform(model: Any, states: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import gelu

    return model.lm_head.layer_norm(gelu(model.lm_head.dense(states)))


def _distilbert_transform(model: Any, states: "torch.Tensor") -> "torch.Tensor":
    return model.vocab_layer_norm(model.activation(model.vocab_transform(states)))


def _roberta(model: Any) -> Any:
    return model.roberta


def _roberta_decoder(model: Any) -> "torch.nn.Linear":
    return model.lm_head.decoder


FAMILIES = {
    "bert": Family(
        lambda model: model.bert,
        lambda model, states: model.cls.predictions.transform(states),
        lambda model: model.cls.predictions.decoder,
    ),
    "roberta": Family(_roberta, _roberta_transform, _roberta_decoder),
    "xlm-roberta": Family(_roberta, _roberta_transform, _roberta_decoder),
    "distilbert": Family(
        lambda model: model.distilbert,
        _distilbert_transform,
        lambda model: model.vocab_projector,
        lambda encoder: encoder.transformer,
    ),
}


def encoder_part(model: Any) -> Any:
    """The encoder in a masked language model of any family."""
    family = FAMILIES.get(model.config.model_type)
    return model.base_model if family is None else family.encoder(model)


def position_table(model: Any) -> Any:
    """The embedding of positions of a model, or None where it has none: where they are rotary, or relative."""
    tables = (
        module
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in POSITION_TABLES and getattr(getattr(module, "weight", None), "ndim", 0) == 2
    )
    return next(tables, None)


def first_position(model: Any) -> int:
    """The number that a model's embedding of positions has for the first token: families like RoBERTa leave out those
    up to the number of padding.
    """
    table = position_table(model)
    offset = getattr(table, "offset", None)  # as BART's relatives call it
    if isinstance(offset, int):
        return offset
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else padding + 1


def num_positions(model: Any) -> int | None:
    """How many tokens a model has positions for, read off the model itself; None where it does not say."""
    table = position_table(model)
    if table is None:
        return getattr(model.config, "max_position_embeddings", None)
    return int(table.weight.shape[0]) - first_position(model)


def states_of(model: Any, layers: Sequence[int], **inputs: Any) -> "list[torch.Tensor]":
    """States of some layers, (rows, tokens, hidden); 0 is the embeddings, -1 the last layer.

    For a single layer of a family in the table, those above it are not computed.
    """
    encoder, family = model.base_model, FAMILIES.get(model.config.model_type)
    last = layers[0] % (model.config.num_hidden_layers + 1)
    if len(layers) == 1 and last and family:
        stack = family.stack(encoder)
        whole = stack.layer
        stack.layer = whole[:last]
        try:
            return [encoder(**inputs).last_hidden_state]
        finally:
            stack.layer = whole
    hidden = encoder(**inputs, output_hidden_states=True).hidden_states
    return [hidden[layer] for layer in layers]


def packs(model: Any) -> bool:
    """Whether sentences may stand side by side in a row: a family that takes positions, and attention with a mask."""
    return model.config.model_type in FAMILIES and attention_of(model.config) in ("sdpa", "eager")
