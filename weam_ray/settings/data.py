"""The sections of the data stages: `corpus`, `align`, `tokenizer` and `encode`."""

from typing import Literal

from pydantic import Field

from weam_ray.settings.base import Section
from weam_ray.settings.paths import LocalPath
from weam_ray.settings.sources import Source


class CorpusSection(Section):
    """What is read, and what is kept of it."""

    sources: list[Source] = Field(min_length=1)
    max_words: int = Field(default=200, ge=1, le=32_000, description="longest side of a pair, in words")
    held_out: int = Field(
        default=300, ge=0, description="pairs per language pair kept for measurement, never trained on"
    )
    rows_per_shard: int = Field(default=20_000, ge=1, description="rows of a file of a stage; part of the batch order")
    segmentation: Literal["words", "whitespace"] = Field(
        default="words", description="what is a word: by script, or what stands between spaces and tabs"
    )
    keep_identical: bool = Field(default=False, description="keep pairs whose sides are the same text")


class AlignSection(Section):
    """The word aligner: `fast_align` (Dyer et al. 2013, as the C++ program with `-d -o -v`), `eflomal`, or `pharaoh`,
    which reads the links from the files that `corpus.sources[].links` names.
    """

    aligner: Literal["fast_align", "eflomal", "pharaoh"] = "fast_align"
    model: LocalPath | None = Field(default=None, description="folder of a fitted model to align with; null: fit one")
    lowercase: bool = True
    iterations: int = Field(default=5, ge=1)
    tension: float = Field(default=4.0, gt=0.1, le=14, description="diagonal tension to start from")
    optimize_tension: bool = True
    null_probability: float = Field(default=0.08, gt=0, lt=1)
    alpha: float = Field(default=0.01, gt=0, description="variational Bayes prior on translations")
    num_shards: int | None = Field(default=None, ge=1, description="of a language pair; null: from rows and CPUs")
    memory_limit: int = Field(
        default=2 * 2**30, ge=0, description="bytes of models kept in shared memory; larger ones are mapped from disk"
    )


class TokenizerSection(Section):
    """The WordPiece tokenizer that `encoder.name: scratch` trains on the corpus."""

    vocab_size: int = Field(default=8_000, ge=100)
    lowercase: bool = False


class EncodeSection(Section):
    """From aligned words to linked subwords."""

    symmetrization: Literal["intersect", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"] = "intersect"
    subword_mapping: Literal["parallel", "first"] = "parallel"
