"""Encoders and tokenizers as the evaluation loads them, and what an encoder can be asked for."""

from typing import Any

from weam_ray.encode.tokenizer import load_tokenizer
from weam_ray.encoder import num_positions
from weam_ray.errors import UserError


def load_config(model: str) -> Any:
    """The Hugging Face configuration of a model.

    Raises:
        UserError: there is none.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise UserError(f"--model {model}: no model can be loaded: {shortened(error)}") from None


def tokenizer_of(model: str) -> Any:
    """The tokenizer of a model, which pads on the right.

    Raises:
        UserError: it cannot be loaded, gives no offsets, or is none of this model's: its files are missing.
    """
    tokenizer = load_tokenizer(model, masks=False)
    words = load_config(model).vocab_size
    if len(tokenizer) < words // 10:
        raise UserError(
            f"--model {model}: its tokenizer has {len(tokenizer)} tokens, and the model {words}: the files of the "
            "tokenizer are missing; save it beside the model."
        )
    tokenizer.padding_side = "right"
    return tokenizer


def encoder_of(model: str) -> Any:
    """The encoder in float32, without a head.

    Raises:
        UserError: it cannot be loaded.
    """
    import torch
    from transformers import AutoModel

    try:
        return AutoModel.from_pretrained(model, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"--model {model}: no encoder can be loaded: {shortened(error)}") from None


def with_new_head(head: str, model: str, **options: Any) -> Any:
    """The encoder with a new head of a class such as `AutoModelForTokenClassification`, whatever head it came with.

    Raises:
        UserError: it cannot be loaded.
    """
    import torch
    import transformers

    load_config(model)  # whose sentence says what is wrong
    config = transformers.AutoConfig.from_pretrained(model, **options)
    result = getattr(transformers, head).from_config(config, dtype=torch.float32)
    missing, _ = result.base_model.load_state_dict(encoder_of(model).state_dict(), strict=False)
    assert not [name for name in missing if "pooler" not in name], missing
    return result


def check_head(head: str, model: str, what: str) -> None:
    """See that models of a type come with a head.

    Raises:
        UserError: they do not.
    """
    import transformers

    config = load_config(model)
    if type(config) not in getattr(transformers, head)._model_mapping:
        raise UserError(f"{what}: there is no {head} for models of the type {config.model_type!r} ({model}).")


def room_of(models: list[str]) -> int | None:
    """The tokens that all of some encoders have positions for; None where none says."""
    found = [room for model in models if (room := num_positions(load_config(model))) is not None]
    return min(found, default=None)


def check_layers(models: list[str], layer: int, what: str) -> None:
    """See that all of some encoders have a layer.

    Raises:
        UserError: one has not.
    """
    for model in models:
        layers = load_config(model).num_hidden_layers
        if not -layers - 1 <= layer <= layers:
            raise UserError(f"{what}={layer}: {model} has layers 0 (embeddings) to {layers}.")


def shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
