"""`--dry-run`: the resolved configuration, the stages, the batch arithmetic and the memory, and nothing done."""

from weam_ray.arithmetic import batch_lines, count_parameters, memory_lines
from weam_ray.encode.stage import stage_tokenizer
from weam_ray.encoder import SCRATCH, model_config, scratch_config
from weam_ray.pretrain import Pretraining
from weam_ray.storage import describe


class StandInTokenizer:
    """A tokenizer that is yet to be trained, as far as its size goes."""

    pad_token_id = 0

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


def print_preview(job: Pretraining) -> None:
    """Print what a run would do."""
    config = job.config
    print(config.to_yaml())
    pairs = None
    for stage, spec in job.plan.specs.items():
        found = job.home.store.find(spec)
        print(f"stage {stage:9s} {spec.fingerprint}: " + (f"reuse ({describe(found.counts)})" if found else "run"))
        if stage == "encode" and found:
            pairs = sum(file.rows for file in found.files("train"))
    print(f"run folder {job.folder.path}: {'finished' if job.folder.finished else 'new or unfinished'}")
    print("\n".join(batch_lines(config, pairs)))
    if config.encoder.name == SCRATCH:
        size = config.tokenizer.vocab_size
        shape = scratch_config(config.encoder, StandInTokenizer(size))
    else:
        tokenizer = stage_tokenizer(config, None)
        shape, size = model_config(config.encoder, tokenizer), len(tokenizer)
    print("\n".join(memory_lines(config, count_parameters(shape), size)))
