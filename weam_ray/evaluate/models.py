"""Encoders and tokenizers as the evaluation loads them, and what an encoder can be asked for."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from weam_ray.errors import UserError
from weam_ray.measure.states import default_layer
from weam_ray.model.encoder import check_words
from weam_ray.model.families import num_positions
from weam_ray.model.tokenizer import load_tokenizer
from weam_ray.model.weights import POOLER, Loaded, load_pretrained, some


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
        UserError: it cannot be loaded, gives no offsets, or is none of this model's: its files are missing, or it has
            more words.
    """
    tokenizer = load_tokenizer(model, masks=False)
    words = load_config(model).vocab_size
    if len(tokenizer) < words // 10:
        raise UserError(
            f"--model {model}: its tokenizer has {len(tokenizer)} tokens, and the model {words}: the files of the "
            "tokenizer are missing; save it beside the model."
        )
    check_words(tokenizer, words, f"--model {model}")
    tokenizer.padding_side = "right"
    tokenizer.split_special_tokens = True  # `[SEP]` in a text is text
    return tokenizer


def encoder_of(model: str) -> Any:
    """The encoder in float32, without a head.

    Raises:
        UserError: it cannot be loaded, or its checkpoint is not whole.
    """
    import torch

    return load_encoder(model, dtype=torch.float32).model


def load_encoder(model: str, **options: Any) -> Loaded:
    """The encoder of a checkpoint without a head, and what of it is new; `options` are of `from_pretrained`.

    Raises:
        UserError: it cannot be loaded, or the checkpoint is not whole.
    """
    return load_pretrained("AutoModel", model, f"--model {model}", **options)


def weights_fingerprint(model: str) -> str:
    """Hash the weights of an encoder, whatever files they are in, without pooler and heads.

    Raises:
        UserError: it cannot be loaded, or its checkpoint is not whole.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(encoder_of(model).state_dict().items()):
        if POOLER not in name.split("."):
            digest.update(f"{name} {list(weight.shape)}\n".encode())
            digest.update(weight.contiguous().numpy().data)
    return digest.hexdigest()[:16]


def examine(models: Iterable[str]) -> list[str]:
    """Look at the checkpoints of some encoders before anything is made of them; what is worth a note, in sentences.

    Nothing but the names and shapes of their weights is read.

    Raises:
        UserError: one cannot be loaded, or is not whole.
    """
    notes = []
    for model in models:
        pooler = load_encoder(model, device_map="meta").new
        if pooler:
            notes.append(
                f"--model {model}: the checkpoint has no pooler ({some(pooler)}); where a head stands on one, it "
                "begins as random numbers from the fine-tuning seed."
            )
    return notes


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


def with_own_head(head: str, model: str) -> Any:
    """A model of a class such as `AutoModelForMultipleChoice` with the head that its checkpoint has.

    Raises:
        UserError: it cannot be loaded.
    """
    import torch

    loaded = load_pretrained(head, model, f"--model {model}", dtype=torch.float32)
    assert not loaded.new, loaded.new
    return loaded.model


def check_head(head: str, model: str, what: str) -> None:
    """See that models of a type come with a head.

    Raises:
        UserError: they do not.
    """
    import transformers

    config = load_config(model)
    # AutoModelForTokenClassification has the models of MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING
    words = re.findall("[A-Z][a-z]+", head.removeprefix("Auto"))
    if type(config) not in getattr(transformers, "_".join([*words, "mapping"]).upper()):
        raise UserError(f"{what}: there is no {head} for models of the type {config.model_type!r} ({model}).")


def room_of(models: list[str]) -> int | None:
    """The tokens that all of some encoders have positions for; None where none says."""
    import torch
    from transformers import AutoModel

    found = []
    for model in models:
        with torch.device("meta"):
            room = num_positions(AutoModel.from_config(load_config(model)))
        found += [] if room is None else [room]
    return min(found, default=None)


def num_layers(model: str) -> int:
    """The layers of an encoder, without the embeddings."""
    return int(load_config(model).num_hidden_layers)


def check_layers(models: list[str], layer: int, what: str) -> None:
    """See that all of some encoders have a layer.

    Raises:
        UserError: one has not.
    """
    for model in models:
        layers = num_layers(model)
        if not -layers - 1 <= layer <= layers:
            raise UserError(f"{what}={layer}: {model} has layers 0 (embeddings) to {layers}.")


def layer_in_use(model: str, layer: int | None) -> int:
    """The layer that retrieval without training takes of an encoder, counted from the embeddings, 0.

    Args:
        layer: the key of the recipe; below 0 from the last.
    """
    config = load_config(model)
    return default_layer(config) if layer is None else layer % (int(config.num_hidden_layers) + 1)


def shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
