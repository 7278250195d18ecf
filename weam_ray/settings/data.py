"""The sections of the data stages: `corpus`, `align`, `tokenizer` and `encode`."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from weam_ray.settings.base import Called, OnlyFor, Role, Section, Younger, marks
from weam_ray.settings.filters import Filters
from weam_ray.settings.keys import keys, keys_only_for
from weam_ray.settings.paths import LocalPath
from weam_ray.settings.sources import Sources


class CorpusSection(Section):
    """What text is read, and which of its pairs are kept."""

    sources: Annotated[Sources, Role.CONTENT, Called("list of sources")] = Field(
        min_length=1, description="The files of text, each with its `format`, its languages, and keys of the format."
    )
    max_words: Annotated[int, Role.RESULT] = Field(
        default=200, ge=1, le=32_000, description="The longest side of a pair, in words; longer pairs are rejected."
    )
    held_out: Annotated[int, Role.RESULT] = Field(
        default=300,
        ge=0,
        description="How many pairs of each language pair are kept for measurement, not trained on: half to choose by "
        "(dev), half to report (test).",
    )
    held_out_seed: Annotated[int, Role.RESULT, Younger()] = Field(
        default=1,
        ge=0,
        lt=2**63,
        description="The seed of which pairs are held out, and of eflomal's sampling; no other seed moves them.",
    )
    rows_per_shard: Annotated[int, Role.RESULT] = Field(
        default=20_000, ge=1, description="How many rows one file of a stage has; the order of batches depends on it."
    )
    segmentation: Annotated[Literal["words", "whitespace"], Role.RESULT, Role.MODEL] = Field(
        default="words", description="What a word is: found by script, or what stands between spaces and tabs."
    )
    keep_identical: Annotated[bool, Role.RESULT] = Field(
        default=False, description="Whether pairs whose two sides are the same text are kept."
    )
    on_damage: Annotated[Literal["stop", "skip"], Role.RESULT, Younger()] = Field(
        default="stop",
        description="What is done about bytes that are not UTF-8 and about damaged files: stop with a sentence that "
        "says where; or skip, so that such rows, and what follows the damage in a file, are left out and counted.",
    )
    filters: Annotated[Filters, Role.CONTENT, Younger(), Called("list of filters")] = Field(
        default=[],
        description="What a pair must be like: kinds of `filter`, each with its limits. They are asked in this order, "
        "and a rejected pair has the name of the first that did not keep it.",
    )
    limits: Annotated[
        dict[str, float], Role.RESULT, Younger(), Called("mapping of language pairs to shares or numbers")
    ] = Field(
        default={},
        description="The share of the training pairs that is kept of a language pair, such as `en-tl: 0.1`, or how "
        "many of them, such as `en-tl: 5000`; fewer are part of more, and 0 leaves the language pair out. Which are "
        "kept follows from `held_out_seed`; the pairs that are held out stay the same.",
    )

    @model_validator(mode="after")
    def limits_are_shares(self) -> "CorpusSection":
        pairs = sorted({source.language_pair for source in self.sources})
        for pair, share in self.limits.items():
            if pair not in pairs:
                raise ValueError(f"limits: {pair!r} is no language pair of the sources, which are {', '.join(pairs)}")
            if not (0 <= share <= 1 or (share > 1 and share.is_integer())):
                raise ValueError(f"limits.{pair}: {share} is no share, from 0 to 1, and no whole number of pairs")
        return self


class AlignSection(Section):
    """The word aligner: FastAlign (Dyer et al. 2013, as the C++ program with `-d -o -v`), eflomal, or links from files.

    `pharaoh` reads the links from the files that `links` of each source names.
    """

    aligner: Annotated[Literal["fast_align", "eflomal", "pharaoh"], Role.RESULT, Role.MODEL] = Field(
        default="fast_align", description="Which aligner links the words; pharaoh takes links from files."
    )
    model: Annotated[LocalPath | None, Role.CONTENT] = Field(
        default=None, description="The folder of a fitted model to align with; null: one is fitted."
    )
    lowercase: Annotated[bool, Role.RESULT, Role.MODEL, OnlyFor("fast_align", "eflomal")] = Field(
        default=True, description="Whether words are compared in lower case."
    )
    iterations: Annotated[int, Role.RESULT, OnlyFor("fast_align")] = Field(
        default=5, ge=1, description="How many iterations of EM fit FastAlign."
    )
    tension: Annotated[float, Role.RESULT, OnlyFor("fast_align")] = Field(
        default=4.0, gt=0.1, le=14, description="How strongly FastAlign prefers the diagonal, at the start of the fit."
    )
    optimize_tension: Annotated[bool, Role.RESULT, OnlyFor("fast_align")] = Field(
        default=True, description="Whether FastAlign's fit changes the tension."
    )
    tension_gradient: Annotated[Literal["published", "exact"], Role.RESULT, OnlyFor("fast_align"), Younger()] = Field(
        default="published",
        description="By which gradient FastAlign's fit changes the tension: published, that of the C++ program, which "
        "is the default since links stay those of that program, and neither error rates nor retrieval were better with "
        "the other (docs/results.md, Word alignment); or exact, the derivative.",
    )
    null_probability: Annotated[float, Role.RESULT, OnlyFor("fast_align")] = Field(
        default=0.08, gt=0, lt=1, description="FastAlign's prior probability that a word has no link."
    )
    alpha: Annotated[float, Role.RESULT, OnlyFor("fast_align")] = Field(
        default=0.01, gt=0, description="The variational Bayes prior on FastAlign's translation probabilities."
    )
    num_shards: Annotated[int | None, Role.SPEED] = Field(
        default=None, ge=1, description="Into how many shards a language pair is split; null: by its rows and the CPUs."
    )
    memory_limit: Annotated[int, Role.MACHINE] = Field(
        default=2 * 2**30,
        ge=0,
        description="How many bytes of models are kept in shared memory; larger models are mapped from the disk.",
    )

    def in_use(self) -> dict[str, Any]:
        """The keys that links depend on, with their values: those of a fit where a model is fitted."""
        tree = self.only(Role.RESULT, Role.CONTENT) if self.model is None else self.only(Role.MODEL, Role.CONTENT)
        own = {*keys_only_for(type(self), self.aligner)}
        shared = {key.name for key in keys(type(self)) if not marks(key.field, OnlyFor)}
        return {key: value for key, value in tree.items() if key in own | shared}


class TokenizerSection(Section):
    """The WordPiece tokenizer that `encoder.name: scratch` trains on the corpus."""

    vocab_size: Annotated[int, Role.RESULT] = Field(
        default=8_000, ge=100, description="How many subwords the tokenizer has."
    )
    lowercase: Annotated[bool, Role.RESULT] = Field(
        default=False, description="Whether text is put into lower case before it is split."
    )


class EncodeSection(Section):
    """How links of words become links of subwords."""

    symmetrization: Annotated[
        Literal["intersect", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"], Role.RESULT
    ] = Field(default="intersect", description="How the links of both directions are made one set.")
    subword_mapping: Annotated[Literal["parallel", "first"], Role.RESULT] = Field(
        default="parallel",
        description="Which subwords of two linked words are linked: the first with the first, the second with the "
        "second and so on, or the first ones only.",
    )
    links: Annotated[Literal["aligned", "shuffled"], Role.RESULT, Younger()] = Field(
        default="aligned",
        description="Which words are linked in training: those that the aligner linked, or, as a control, the same by "
        "chance.",
    )
