"""The name of transformers that is not public."""

from typing import Any

from weam_ray.private_names import PrivateName

ATTENTION = PrivateName(
    "transformers",
    "PreTrainedConfig._attn_implementation",
    "how an encoder attends is not known, and sentences have rows of their own, which takes longer.",
)


def attention_of(config: Any) -> str | None:
    """How an encoder of this configuration attends, such as `sdpa`; None where it does not say."""
    return None if ATTENTION.find() is None else getattr(config, ATTENTION.name.rpartition(".")[2])
