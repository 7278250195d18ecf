"""The name of DeepSpeed that is not public."""

from weam_ray.private_names import PrivateName

COMPATIBLE = PrivateName(
    "deepspeed.ops",
    "__compatible_ops__",
    "it compiles a shared-memory module for its inference, once, which takes half a minute.",
)


def without_shared_memory() -> None:
    """Keep DeepSpeed from compiling its communication by shared memory, which serves inference on CPUs alone."""
    compatible = COMPATIBLE.find()
    if compatible is not None:
        compatible["deepspeed_shm_comm"] = False
