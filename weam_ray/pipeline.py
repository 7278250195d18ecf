"""The data stages in their order: corpus -> (tokenizer) -> aligner -> align -> encode, and seen."""

from dataclasses import dataclass
from typing import Any

from weam_ray.align.model_folder import load_model
from weam_ray.align.stage import AlignerStage, AlignStage
from weam_ray.corpus.stage import CorpusStage
from weam_ray.encode.stage import EncodeStage
from weam_ray.encode.tokenizer_stage import EncoderTokenizer, TokenizerStage, load_trained
from weam_ray.model.encoder import SCRATCH, encoder_fingerprint
from weam_ray.model.tokenizer import load_tokenizer
from weam_ray.overlap.seen import SeenStage
from weam_ray.settings.config import Config
from weam_ray.settings.parsing import flat_parameters
from weam_ray.store.files import SourceHashes, fingerprint
from weam_ray.store.provenance import Provenance
from weam_ray.store.stages import Committed, Stage, StageDefinition, StageStore


@dataclass(frozen=True)
class AlignmentPlan:
    """The stages up to `align`, which ask for no encoder; `aligner` may be a fitted model from elsewhere."""

    corpus: CorpusStage
    aligner: AlignerStage | Stage
    align: AlignStage

    @classmethod
    def of(cls, config: Config, hashes: SourceHashes) -> "AlignmentPlan":
        """Plan the stages of a configuration; every fingerprint is known before anything runs.

        Raises:
            UserError: a source, or the model of `align.model`, is not there.
        """
        corpus = CorpusStage.of(config.corpus, hashes)
        aligner: AlignerStage | Stage
        if config.align.model is None:
            aligner = AlignerStage.of(config.align, corpus, hashes)
        else:
            aligner = load_model(config.align, config.corpus.segmentation)
        return cls(corpus, aligner, AlignStage(config.align, corpus, aligner))

    @property
    def stages(self) -> list[StageDefinition]:
        """The stages that are built or reused, in their order."""
        aligner = [] if isinstance(self.aligner, Stage) else [self.aligner]
        return [self.corpus, *aligner, self.align]

    def is_built(self, store: StageStore) -> bool:
        """Whether every stage is there already."""
        return all(store.find(stage.spec) is not None for stage in self.stages)


@dataclass(frozen=True)
class StagePlan(AlignmentPlan):
    """All stages of a configuration; `tokenizer` is None where the encoder comes with one."""

    tokenizer: TokenizerStage | None
    encode: EncodeStage
    seen: SeenStage
    base: str  # the fingerprint of the encoder

    @classmethod
    def of(cls, config: Config, hashes: SourceHashes) -> "StagePlan":
        """Plan the stages of a configuration; every fingerprint is known before anything runs.

        Raises:
            UserError: a source, the model of `align.model` or the encoder is missing.
        """
        alignment = AlignmentPlan.of(config, hashes)
        corpus, align = alignment.corpus, alignment.align
        tokenizer: TokenizerStage | EncoderTokenizer
        if config.encoder.name == SCRATCH:
            tokenizer = TokenizerStage(config.tokenizer, config.encoder.scratch.max_positions, corpus)
        else:
            tokenizer = EncoderTokenizer.of(config.encoder, hashes)
        trained = tokenizer if isinstance(tokenizer, TokenizerStage) else None
        encode = EncodeStage(config.encode, align, tokenizer)
        seen = SeenStage.of(corpus, config.encoder.name, config.training.continue_from, config.align, hashes)
        base = encoder_fingerprint(config.encoder, hashes)
        return cls(corpus, alignment.aligner, align, trained, encode, seen, base)

    @property
    def stages(self) -> list[StageDefinition]:
        """The stages that are built or reused, in their order."""
        corpus, *aligned = super().stages
        trained = [] if self.tokenizer is None else [self.tokenizer]
        return [corpus, *trained, *aligned, self.encode, self.seen]


@dataclass(frozen=True)
class Data:
    """The committed stages of a run."""

    config: Config
    corpus: Stage
    tokenizer: Stage | None
    aligner: Stage
    align: Stage
    encoded: Stage
    seen: Stage
    base: str  # the fingerprint of the encoder

    def load_tokenizer(self) -> Any:
        """Load the tokenizer of the run: the trained one, or that of the encoder."""
        if self.tokenizer is None:
            return load_tokenizer(self.config.encoder.name, self.config.encoder.revision)
        return load_trained(self.tokenizer)


def run_stages(config: Config, store: StageStore, plan: StagePlan) -> Data:
    """Build or reuse every stage; Ray must be up."""
    committed = Committed(store, config.cluster.data_cpus)
    for stage in plan.stages:
        committed.build(stage)
    tokenizer = None if plan.tokenizer is None else committed[plan.tokenizer]
    aligned = committed[plan.corpus], tokenizer, committed[plan.aligner], committed[plan.align]
    return Data(config, *aligned, committed[plan.encode], committed[plan.seen], plan.base)


def run_fingerprint(config: Config, plan: StagePlan) -> str:
    """Hash all that can change a run's result: its settings, its data, its encoder."""
    return fingerprint(
        {
            "settings": config.result_settings(),
            "data": plan.encode.fingerprint,
            "encoder": plan.base,
        }
    )


def provenance(config: Config, data: Data) -> Provenance:
    """How a run pre-trains, as it stands beside its weights.

    Args:
        config: that of the run, which may differ from that of its data in what is no matter of them.
    """
    settings = config.result_settings()
    seeds = settings.pop("seeds")
    return Provenance(seeds, flat_parameters(settings), data.corpus.fingerprint, data.base)
