"""What a worker says when something ends it."""

from weam_ray.settings.training import TrainingSection
from weam_ray.train.worker import too_large

FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore lines")


def test_a_full_gpu_names_what_to_lower() -> None:
    settings = TrainingSection(batch_size=32, micro_batch_size=16)
    assert too_large(settings, FULL) == (
        "The memory of a GPU is full: lower training.micro_batch_size (16 now), or set "
        "training.gradient_checkpointing=true. torch says: CUDA out of memory. Tried to allocate 2.00 GiB."
    )
    smallest = TrainingSection(micro_batch_size=1, gradient_checkpointing=True)
    assert "take a smaller encoder, or a lower training.max_length" in too_large(smallest, FULL)
