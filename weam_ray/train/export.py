"""The exported model: a folder that `from_pretrained` loads."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weam_ray.model.encoder import base_config, pooler_of
from weam_ray.settings.encoder import EncoderSection


def filled(weights: dict[str, Any], model_config: Any, model: Any = None) -> Any:
    """A masked language model with weights, which are all but the tied ones; `model` itself, if there is one."""
    from transformers import AutoModelForMaskedLM

    model = AutoModelForMaskedLM.from_config(model_config) if model is None else model
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - {
        name for name, _ in model.named_parameters()
    }
    buffers = {name for name, _ in model.named_buffers()}
    assert not unexpected, unexpected
    assert set(missing) <= tied | buffers, missing
    return model


def readable_like(file: Path, folder: Path) -> None:
    """Give all files of a folder the permissions of one: safetensors writes for the owner alone."""
    for other in folder.iterdir():
        other.chmod(file.stat().st_mode)


def export(
    weights: dict[str, Any], settings: EncoderSection, tokenizer: Any, beside: Mapping[str, bytes], folder: Path
) -> None:
    """Write a Hugging Face model folder (safetensors); whole or not at all.

    What pre-training does not change is as the base encoder has it: its configuration, and its pooler. So both are
    fine-tuned alike.

    Args:
        beside: further files by name, such as the record of what the model has seen.
    """
    model = filled(weights, base_config(settings, tokenizer))
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # a masked language model has no pooler; fine-tuning needs the base's
    pooler = {} if settings.begins_anew else pooler_of(settings.name, settings.revision)
    named = {f"{model.base_model_prefix}.{name}": weight for name, weight in pooler.items()}
    model.save_pretrained(partial, state_dict=model.state_dict() | named)
    tokenizer.save_pretrained(partial)
    for name, content in beside.items():
        (partial / name).write_bytes(content)
    readable_like(partial / "config.json", partial)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)
