"""The encoder: loaded or built, its identity, and where each model family keeps its parts."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weam_ray.config import EncoderSection
from weam_ray.errors import EncoderUnavailable, UserError
from weam_ray.storage import SourceHashes

if TYPE_CHECKING:
    import torch

SCRATCH = "scratch"
TOKENIZER_FILES = (
    "tokenizer",
    "vocab",
    "merges",
    "special_tokens",
    "added_tokens",
    "sentencepiece",
    "spiece",
    "config",
)


@dataclass(frozen=True)
class Family:
    """How a model family calls its encoder, its masked-language-model head as a function of states, the part of the
    encoder whose `layer` are its layers, and the number that its position embeddings give to the first token.
    """

    encoder: Callable[[Any], Any]
    head: Callable[[Any, "torch.Tensor"], "torch.Tensor"]
    stack: Callable[[Any], Any] = lambda encoder: encoder.encoder
    first_position: Callable[[Any], int] = lambda config: 0


def _distilbert_head(model: Any, states: "torch.Tensor") -> "torch.Tensor":
    return model.vocab_projector(model.vocab_layer_norm(model.activation(model.vocab_transform(states))))


def _after_padding(config: Any) -> int:
    return config.pad_token_id + 1


FAMILIES = {
    "bert": Family(lambda model: model.bert, lambda model, states: model.cls(states)),
    "roberta": Family(
        lambda model: model.roberta, lambda model, states: model.lm_head(states), first_position=_after_padding
    ),
    "xlm-roberta": Family(
        lambda model: model.roberta, lambda model, states: model.lm_head(states), first_position=_after_padding
    ),
    "distilbert": Family(lambda model: model.distilbert, _distilbert_head, lambda encoder: encoder.transformer),
}


def num_positions(config: Any) -> int | None:
    """How many tokens an encoder has positions for, by its Hugging Face configuration; None where it does not say."""
    family = FAMILIES.get(config.model_type)
    positions = getattr(config, "max_position_embeddings", None)
    return positions - family.first_position(config) if family and positions else positions


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
    return model.config.model_type in FAMILIES and model.config._attn_implementation in ("sdpa", "eager")


def encoder_fingerprint(settings: EncoderSection, hashes: SourceHashes, only_tokenizer: bool = False) -> str:
    """What the encoder is, whatever its path: the hash of its files, or its revision on the hub.

    Raises:
        UserError: no such folder, and no such name on the hub or in its cache.
    """
    if settings.name == SCRATCH:
        return SCRATCH
    folder = Path(settings.name).expanduser()
    if folder.is_dir():
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        if only_tokenizer:
            files = [path for path in files if path.name.startswith(TOKENIZER_FILES)]
        lines = [f"{path.name} {hashes.sha256(path)}" for path in files if path.suffix != ".md"]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    if folder.is_absolute() or settings.name.startswith((".", "~")):
        raise UserError(f"encoder.name: there is no folder {settings.name!r}.")
    return f"{settings.name}@{hub_revision(settings)}"


def hub_revision(settings: EncoderSection) -> str:
    """The commit of a name on the hub, or in its local cache."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    try:
        file = cached_file(settings.name, "config.json", revision=settings.revision or "main")
    except (OSError, ValueError) as error:
        raise EncoderUnavailable(
            f"encoder.name={settings.name}: neither a local folder nor a model that can be had from the hub or its "
            f"cache: {' '.join(str(error).split())[:300]}"
        ) from None
    return extract_commit_hash(file, None) or "unknown"


def scratch_config(settings: EncoderSection, tokenizer: Any) -> Any:
    """The configuration of a small BERT for a tokenizer."""
    from transformers import BertConfig

    size = settings.scratch
    return BertConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=size.num_layers,
        hidden_size=size.hidden_size,
        num_attention_heads=size.num_heads,
        intermediate_size=size.intermediate_size,
        max_position_embeddings=size.max_positions,
        pad_token_id=tokenizer.pad_token_id,
        architectures=["BertForMaskedLM"],
    )


def model_config(settings: EncoderSection, tokenizer: Any) -> Any:
    """The Hugging Face configuration of the encoder, with the dropout that is set.

    Raises:
        UserError: it cannot be loaded.
    """
    from transformers import AutoConfig

    if settings.name == SCRATCH:
        config = scratch_config(settings, tokenizer)
    else:
        try:
            config = AutoConfig.from_pretrained(settings.name, revision=settings.revision or "main")
        except (OSError, ValueError) as error:
            raise UserError(f"encoder.name={settings.name}: {' '.join(str(error).split())[:300]}") from None
    if settings.attention is not None:
        config._attn_implementation = settings.attention
    if settings.dropout is not None:
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
            if hasattr(config, name):
                setattr(config, name, settings.dropout)
    return config


def build_encoder(settings: EncoderSection, tokenizer: Any, seed: int) -> Any:
    """The masked language model in float32: loaded, or with fresh weights from a seed.

    A missing MLM head of a loaded encoder is initialised from the seed as well.

    Raises:
        UserError: the encoder cannot be loaded, or has fewer embeddings than the tokenizer has tokens.
    """
    import torch
    from transformers import AutoModelForMaskedLM

    config = model_config(settings, tokenizer)
    torch.manual_seed(seed)
    if settings.name == SCRATCH:
        model = AutoModelForMaskedLM.from_config(config)
    else:
        try:
            model = AutoModelForMaskedLM.from_pretrained(
                settings.name, config=config, revision=settings.revision or "main", dtype=torch.float32
            )
        except (OSError, ValueError) as error:
            raise UserError(f"encoder.name={settings.name}: {' '.join(str(error).split())[:300]}") from None
    embeddings = model.get_input_embeddings().num_embeddings
    if embeddings < len(tokenizer):
        raise UserError(
            f"encoder.name={settings.name}: {embeddings} embeddings for a tokenizer of {len(tokenizer)} tokens; "
            "the two do not belong together."
        )
    return model.to(torch.float32)
