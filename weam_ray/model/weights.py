"""Weights of a pretrained encoder: loaded, and held against what its architecture asks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

from weam_ray.errors import UserError

SHOWN = 3  # names of weights in a message
POOLER = "pooler"  # a head in all but name: encoders of masked language models are saved without it


@dataclass(frozen=True)
class Loaded:
    """A model with the weights of a checkpoint, and the names of those that the checkpoint lacks.

    What is `new` belongs to a head: the encoder itself is there in full.
    """

    model: Any
    new: tuple[str, ...]


def load_pretrained(head: str, name: str, where: str, whole: bool = True, **options: Any) -> Loaded:
    """Load a checkpoint into a class of transformers, such as `AutoModelForMaskedLM` or `AutoModel`.

    Args:
        head: the name of the class.
        name: a folder, or a name on the hub.
        where: what messages begin with, such as `encoder.name=NAME`.
        whole: whether all of the encoder is needed.
        options: of `from_pretrained`.

    Raises:
        UserError: the checkpoint cannot be read, or has not the weights that the encoder's architecture asks for: some
            are missing, have another shape, or belong to no part of it. A head may be missing, or be another one.
    """
    import transformers
    from safetensors import SafetensorError

    # the last three where a file holds other things than weights by their names
    unreadable = (
        OSError,
        ValueError,
        RuntimeError,
        SafetensorError,
        UnpicklingError,
        TypeError,
        AttributeError,
        KeyError,
    )
    kind = getattr(transformers, head)
    transformers.utils.logging.disable_progress_bar()
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()  # its report of missing weights; ours is an error, or `new`
    try:
        model, report = kind.from_pretrained(name, output_loading_info=True, ignore_mismatched_sizes=True, **options)
    except unreadable as error:
        raise UserError(f"{where}: the model cannot be loaded: {reason_of(error)}") from None
    finally:
        transformers.utils.logging.set_verbosity(before)
    if whole:
        check_weights(model, report, where)
    return Loaded(model, tuple(sorted(report["missing_keys"])))


def reason_of(error: Exception) -> str:
    """Why a checkpoint cannot be loaded. What torch and safetensors say of files that hold no weights misleads."""
    said = " ".join(str(error).split())[:300]
    if "weights_only" in said or type(error).__name__ in ("SafetensorError", "UnpicklingError"):
        return (
            "a file of weights is damaged, or is something else, such as a pointer of Git LFS in place of the file "
            f"({said.split('. ')[0].split(' (1)')[0].split('weights_only')[0].strip()[:120]})"
        )
    return said


def check_weights(model: Any, report: dict[str, Any], where: str) -> None:
    """Hold what `from_pretrained` reports of a checkpoint against the encoder of a model.

    Raises:
        UserError: weights of the encoder that are missing, of another shape, or no part of its architecture.
    """
    asked = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    # a model without a head has the weights of a checkpoint with one under shorter names
    known = asked | {f"{model.base_model_prefix}.{name}" for name in asked}
    buffers = {name.rpartition(".")[2] for name, _ in model.named_buffers()}
    inside = {name for name, _ in model.base_model.named_children()} - {POOLER}
    inside |= {name for name, _ in model.base_model.named_parameters(recurse=False)}

    def of_encoder(names: Iterable[str]) -> list[str]:
        """Those that lie in the encoder, whatever stands before its own part of a name."""
        return sorted(name for name in names if POOLER not in name.split(".") and inside & set(name.split(".")))

    kind = type(model).__name__
    misfits = sorted((name, list(saved), list(wanted)) for name, saved, wanted in report["mismatched_keys"])
    if misfits:
        name, saved, wanted = misfits[0]
        raise UserError(
            f"{where}: {len(misfits)} weights of the checkpoint have another shape than its config.json asks for, such "
            f"as {name}: {saved} there, {wanted} asked for. Is the config.json that of this checkpoint?"
        )
    missing = of_encoder(report["missing_keys"])
    unexpected = of_encoder(
        name
        for name in report["unexpected_keys"]
        # a buffer that is not saved any more, or a second copy of a weight, as published mDeBERTa checkpoints have it
        if name.rpartition(".")[2] not in buffers and copied(name) not in known
    )
    if missing:
        there = f"; {len(unexpected)} are there that it has no place for ({some(unexpected)})" if unexpected else ""
        raise UserError(
            f"{where}: the checkpoint lacks weights that {kind} asks for: {len(report['missing_keys'])} of "
            f"{len(asked)} are missing ({some(missing)}){there}. They would be random numbers. "
            f"{remedy(missing, unexpected)}"
        )
    if unexpected:
        raise UserError(
            f"{where}: the checkpoint has {len(unexpected)} weights of an encoder that {kind}, as its config.json "
            f"describes it, has no place for ({some(unexpected)}). Is the config.json that of this checkpoint?"
        )


def copied(name: str) -> str:
    """The name of the weight that one with this name is a copy of: `_weight` beside `weight`."""
    place, _, last = name.rpartition(".")
    return f"{place}.{last.removeprefix('_')}" if last.startswith("_") else ""


def remedy(missing: list[str], unexpected: list[str]) -> str:
    """What to do about weights that are missing and others that are unexpected: often all have a prefix too many."""
    firsts = {name.partition(".")[0] for name in unexpected}
    endings = {name.split(".", 1)[-1] for name in unexpected}
    if len(firsts) == 1 and any(ending.endswith(tuple(missing)) for ending in endings):
        return f"Every name there begins with {firsts.pop()!r}: save the weights without this prefix."
    return "Save the whole model again with save_pretrained, or name another encoder."


def some(names: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    known = list(names)
    rest = f" and {len(known) - SHOWN:,} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + rest
