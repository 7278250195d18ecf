"""The data stages in their order: corpus -> (tokenizer) -> aligner -> align -> encode."""

from dataclasses import dataclass
from typing import Any

from weam_ray.align.model_folder import load_model
from weam_ray.align.stage import align_spec, align_stage, aligner_spec, aligner_stage
from weam_ray.corpus.stage import corpus_spec, corpus_stage
from weam_ray.encode.stage import encode_spec, encode_stage
from weam_ray.encode.tokenizer_stage import stage_tokenizer, tokenizer_spec, tokenizer_stage
from weam_ray.model.encoder import SCRATCH, encoder_fingerprint
from weam_ray.settings.config import Config
from weam_ray.store.files import SourceHashes, fingerprint
from weam_ray.store.stages import Stage, StageSpec, StageStore


@dataclass(frozen=True)
class StagePlan:
    """The specifications of all stages of a configuration, by stage, in the order of the flow."""

    specs: dict[str, StageSpec]

    @classmethod
    def of(cls, config: Config, hashes: SourceHashes) -> "StagePlan":
        """Every fingerprint follows from the configuration and the source files, before anything runs.

        Raises:
            UserError: a source or the encoder is missing.
        """
        specs = cls.without_encoder(config, hashes).specs
        if config.encoder.name == SCRATCH:
            tokenizer = specs["tokenizer"].fingerprint
        else:
            tokenizer = encoder_fingerprint(config.encoder, hashes, only_tokenizer=True)
        return cls({**specs, "encode": encode_spec(config, specs["align"].fingerprint, tokenizer)})

    @classmethod
    def without_encoder(cls, config: Config, hashes: SourceHashes) -> "StagePlan":
        """The stages that do not ask for a loaded encoder: all but `encode`."""
        specs = cls.of_alignment(config, hashes).specs
        if config.encoder.name == SCRATCH:
            tokenizer = tokenizer_spec(config, specs["corpus"].fingerprint)
            specs = {"corpus": specs["corpus"], "tokenizer": tokenizer, **specs}
        return cls(specs)

    @classmethod
    def of_alignment(cls, config: Config, hashes: SourceHashes) -> "StagePlan":
        """The stages up to `align`; without `aligner` where a fitted model is given."""
        corpus = corpus_spec(config, hashes)
        if config.align.model is not None:
            model = load_model(config).fingerprint
            return cls({"corpus": corpus, "align": align_spec(config, corpus.fingerprint, model)})
        aligner = aligner_spec(config, corpus.fingerprint, hashes)
        align = align_spec(config, corpus.fingerprint, aligner.fingerprint)
        return cls({"corpus": corpus, "aligner": aligner, "align": align})

    def is_built(self, store: StageStore) -> bool:
        """Whether every stage is there already."""
        return all(store.find(spec) is not None for spec in self.specs.values())


@dataclass(frozen=True)
class Data:
    """The committed stages of a run."""

    config: Config
    corpus: Stage
    tokenizer: Stage | None
    aligner: Stage
    align: Stage
    encoded: Stage

    def load_tokenizer(self) -> Any:
        return stage_tokenizer(self.config, self.tokenizer)


def run_stages(config: Config, store: StageStore, plan: StagePlan) -> Data:
    """Build or reuse every stage; Ray must be up."""
    specs = plan.specs
    corpus = corpus_stage(config, store, specs["corpus"])
    tokenizer = tokenizer_stage(config, store, specs["tokenizer"], corpus) if "tokenizer" in specs else None
    aligner = aligner_stage(config, store, specs.get("aligner"), corpus)
    align = align_stage(config, store, specs["align"], corpus, aligner)
    encoded = encode_stage(config, store, specs["encode"], align, tokenizer)
    return Data(config, corpus, tokenizer, aligner, align, encoded)


def run_fingerprint(config: Config, plan: StagePlan, hashes: SourceHashes) -> str:
    """Of all that can change a run's result: its settings, its data, its encoder."""
    return fingerprint(
        {
            "settings": config.result_settings(),
            "data": plan.specs["encode"].fingerprint,
            "encoder": encoder_fingerprint(config.encoder, hashes),
        }
    )
