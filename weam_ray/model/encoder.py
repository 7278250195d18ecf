"""The encoder: its identity, and how it is loaded or built."""

import hashlib
import re
from pathlib import Path
from typing import Any

from weam_ray.errors import EncoderUnavailable, UserError
from weam_ray.model.tokenizer import load_tokenizer
from weam_ray.model.weights import POOLER, Loaded, load_pretrained
from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.paths import absolute
from weam_ray.store.files import SourceHashes

SCRATCH = "scratch"
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)  # of a model: NAME or OWNER/NAME
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


def encoder_fingerprint(
    settings: EncoderSection, hashes: SourceHashes, only_tokenizer: bool = False, where: str | None = None
) -> str:
    """What the encoder is, whatever its path: the hash of its files, or its revision on the hub.

    Raises:
        UserError: no such folder, and no such name on the hub or in its cache; the message begins with `where`, by
            default `encoder.name=NAME`.
    """
    if settings.name == SCRATCH:
        return SCRATCH
    folder, where = Path(settings.name), where or f"encoder.name={settings.name}"
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            exported = folder / "model"
            hint = f" Is {exported} meant?" if (exported / "config.json").is_file() else ""
            raise UserError(f"{where}: the folder has no config.json, so there is no model in it.{hint}")
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
        if only_tokenizer:
            files = [path for path in files if path.name.startswith(TOKENIZER_FILES)]
        lines = [f"{path.name} {hashes.sha256(path)}" for path in files if path.suffix != ".md"]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    looked_for = absolute(settings.name)
    if Path(looked_for).exists():
        raise UserError(f"{where}: {looked_for} is a file; name the folder of a model.")
    if HUB_NAME.fullmatch(settings.name) is None:
        raise UserError(f"{where}: there is no folder {looked_for}.")
    return f"{settings.name}@{hub_revision(settings, where)}"


def hub_revision(settings: EncoderSection, where: str) -> str:
    """The commit of a name on the hub, or in its local cache."""
    from transformers.utils.hub import cached_file, extract_commit_hash

    try:
        file = cached_file(settings.name, "config.json", revision=settings.revision or "main")
    except (OSError, ValueError) as error:
        raise EncoderUnavailable(
            f"{where}: there is no folder {absolute(settings.name)}, and no model of that name can be "
            f"had from the hub or its cache: {' '.join(str(error).split())[:300]}"
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
        attn_implementation=settings.attention,
    )


def base_config(settings: EncoderSection, tokenizer: Any) -> Any:
    """The Hugging Face configuration of the encoder as it is published, whatever dropout is set for pre-training.

    Raises:
        UserError: it cannot be loaded.
    """
    from transformers import AutoConfig

    if settings.name == SCRATCH:
        return scratch_config(settings, tokenizer)
    try:
        return AutoConfig.from_pretrained(
            settings.name, revision=settings.revision or "main", attn_implementation=settings.attention
        )
    except (OSError, ValueError) as error:
        raise UserError(f"encoder.name={settings.name}: {' '.join(str(error).split())[:300]}") from None


def model_config(settings: EncoderSection, tokenizer: Any) -> Any:
    """The configuration of the encoder in pre-training: `base_config`, with the dropout that is set.

    Raises:
        UserError: it cannot be loaded.
    """
    config = base_config(settings, tokenizer)
    if settings.dropout is not None:
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
            if hasattr(config, name):
                setattr(config, name, settings.dropout)
    return config


def build_encoder(settings: EncoderSection, tokenizer: Any, seed: int) -> Any:
    """The masked language model in float32: loaded, or, from scratch or as a control, with fresh weights from a seed.

    A missing MLM head of a loaded encoder is initialised from the seed as well.

    Raises:
        UserError: the encoder cannot be loaded, its checkpoint is not whole, or it has fewer embeddings than the
            tokenizer has tokens.
    """
    import torch
    from transformers import AutoModelForMaskedLM

    config = model_config(settings, tokenizer)
    torch.manual_seed(seed)
    if settings.begins_anew:
        model = AutoModelForMaskedLM.from_config(config)
    else:
        model = load_masked_model(settings, config).model
    check_words(tokenizer, model.get_input_embeddings().num_embeddings, f"encoder.name={settings.name}")
    return model.to(torch.float32)


def check_words(tokenizer: Any, num_embeddings: int, where: str) -> None:
    """See that an encoder has an embedding for every token of a tokenizer.

    Raises:
        UserError: it has not; the message begins with `where`.
    """
    words = max(tokenizer.get_vocab().values()) + 1
    if words > num_embeddings:
        raise UserError(
            f"{where}: {num_embeddings} embeddings for a tokenizer of {words} tokens; the two do not belong together. "
            "Take the tokenizer that was saved with the encoder; or, where tokens were added to it on purpose, give "
            "the encoder room for them with resize_token_embeddings, and save it again."
        )


def check_tokenizer(settings: EncoderSection) -> None:
    """See, before anything runs, that the tokenizer of a loaded encoder can be used, and belongs to the encoder.

    Raises:
        UserError: it cannot be loaded, or the configuration of the encoder has too few words for it.
    """
    if settings.name != SCRATCH:
        tokenizer = load_tokenizer(settings.name, settings.revision)
        check_words(tokenizer, model_config(settings, tokenizer).vocab_size, f"encoder.name={settings.name}")


def pooler_of(name: str, revision: str | None = None) -> dict[str, Any]:
    """The weights of a checkpoint's pooler by their names in an encoder without a head; none where it has no pooler.

    Raises:
        UserError: it cannot be loaded.
    """
    import torch

    options = {"revision": revision or "main", "dtype": torch.float32}
    loaded = load_pretrained("AutoModel", name, f"encoder.name={name}", whole=False, **options)
    weights = loaded.model.state_dict()
    return {own: weights[own] for own in weights if POOLER in own.split(".") and own not in loaded.new}


def load_masked_model(settings: EncoderSection, config: Any, **options: Any) -> Loaded:
    """The masked language model of a checkpoint in float32; `options` are of `from_pretrained`.

    Raises:
        UserError: it cannot be loaded, or its checkpoint is not whole.
    """
    import torch

    options |= {"config": config, "revision": settings.revision or "main", "dtype": torch.float32}
    return load_pretrained("AutoModelForMaskedLM", settings.name, f"encoder.name={settings.name}", **options)
