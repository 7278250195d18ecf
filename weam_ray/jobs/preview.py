"""What a run will do: in a few lines when it starts, and at length, with nothing done, for `--dry-run`."""

from typing import Any

from weam_ray.errors import EncoderUnavailable
from weam_ray.jobs.cost import PUBLISHED_SHAPES, batch_lines, count_parameters, memory_lines, memory_of
from weam_ray.jobs.frame import preview_stages
from weam_ray.jobs.run_folder import RunFolder
from weam_ray.model.encoder import SCRATCH, model_config, scratch_config
from weam_ray.model.tokenizer import load_tokenizer
from weam_ray.pipeline import AlignmentPlan
from weam_ray.settings.config import Config
from weam_ray.store.home import Home
from weam_ray.store.stages import Stage
from weam_ray.train.model import examine


class StandInTokenizer:
    """A tokenizer that is yet to be trained, as far as its size goes."""

    pad_token_id = 0

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


def print_preview(config: Config, home: Home, plan: AlignmentPlan, place: RunFolder | EncoderUnavailable) -> None:
    """Print what a run would do; an encoder that cannot be had here leaves a gap, and is named.

    Raises:
        UserError: a mistake that would end the run.
    """
    unavailable = isinstance(place, EncoderUnavailable)
    print(config.to_yaml())
    preview_stages(home.store, plan.stages)
    if isinstance(place, EncoderUnavailable):
        print(f"stage encode: run or reuse, which depends on the encoder\nnote: {place}")
        print("run folder depends on the encoder")
    else:
        print(f"run folder {place.path}: {'finished' if place.finished else 'new or unfinished'}")
    home.preview()
    print("\n".join(batch_lines(config, num_pairs(home.store.find(plan.corpus.spec)))))
    if not unavailable:
        for note in examine(config.of_training()):
            print(f"note: {note}")
    shape, size = encoder_shape(config, unavailable)
    if shape is None:
        print("memory of one device: unknown without the encoder")
    else:
        number = count_parameters(shape)
        print("\n".join(memory_lines(memory_of(config.of_training(), shape, number, size), number, size)))


def opening_lines(config: Config, home: Home, plan: AlignmentPlan, folder: RunFolder) -> list[str]:
    """What a run is about to do: configuration, corpus, encoder, objective, batches and folder."""
    corpus, objective, scratch = config.corpus, config.objective, config.encoder.scratch
    pairs = ", ".join(dict.fromkeys(source.language_pair for source in corpus.sources))
    encoder = config.encoder.name
    if encoder == SCRATCH:
        encoder = f"new, {scratch.num_layers} layers of {scratch.hidden_size}, {config.tokenizer.vocab_size:,} tokens"
    weight = "" if "lambda" in objective.idle else f", lambda {objective.lambda_}"
    return [
        f"pre-training: {config.name}",
        f"corpus: {pairs}; {corpus.held_out} pairs of each held out, half of them to choose by; "
        f"words aligned by {config.align.aligner}",
        f"encoder: {encoder}",
        f"objective: {objective.name}, mask probability {objective.mask_probability}{weight}",
        *batch_lines(config, num_pairs(home.store.find(plan.corpus.spec))),
        f"folder: {folder.path}",
    ]


def num_pairs(corpus: Stage | None) -> int | None:
    return None if corpus is None else sum(file.rows for file in corpus.files("train"))


def encoder_shape(config: Config, unavailable: bool) -> tuple[Any, int]:
    """The Hugging Face configuration of the encoder and its number of words, or (None, 0) where it cannot be had."""
    from transformers import AutoConfig

    name = config.encoder.name
    if name == SCRATCH:
        size = config.tokenizer.vocab_size
        return scratch_config(config.encoder, StandInTokenizer(size)), size
    if not unavailable:
        tokenizer = load_tokenizer(name, config.encoder.revision)
        return model_config(config.encoder, tokenizer), len(tokenizer)
    if name in PUBLISHED_SHAPES:
        print(f"the shape of {name} is taken from its publication, not from its files")
        shape = AutoConfig.for_model(**PUBLISHED_SHAPES[name])
        return shape, shape.vocab_size
    return None, 0
