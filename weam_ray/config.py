"""The configuration: one typed tree, read from YAML and `a.b=value` overrides.

Every section belongs to one stage or part of the run; `fingerprint` hashes what can change a result.
"""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from ruamel.yaml import YAML

from weam_ray.corpus.readers import Source
from weam_ray.errors import UserError
from weam_ray.objectives.settings import ObjectiveSection
from weam_ray.parsing import apply_override, parse_mapping, validated
from weam_ray.paths import LocalPath, OutputPath, StoragePath, absolute, folder_or_name
from weam_ray.search.settings import SearchSection
from weam_ray.sections import Section
from weam_ray.train.settings import OptimizerSection, TrainingSection

SHIPPED = Path(__file__).parent / "configs"
DATA_ROOT = "{data_root}"


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


class ScratchSection(Section):
    """The BERT that `encoder.name: scratch` builds."""

    num_layers: int = Field(default=4, ge=1)
    hidden_size: int = Field(default=256, ge=4)
    num_heads: int = Field(default=4, ge=1)
    intermediate_size: int = Field(default=1_024, ge=4)
    max_positions: int = Field(default=512, ge=8)

    @model_validator(mode="after")
    def heads_divide(self) -> "ScratchSection":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of num_heads {self.num_heads}")
        return self


class EncoderSection(Section):
    """`name`: a Hugging Face name or a local path of a masked language model, or `scratch`."""

    name: str = Field(min_length=1)
    revision: str | None = Field(default=None, description="branch, tag or commit on the hub")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="null: the encoder's own")
    attention: Literal["sdpa", "eager"] | None = Field(
        default=None, description="sdpa: torch's own fused attention; null: that, where the encoder offers it"
    )
    scratch: ScratchSection = ScratchSection()

    @field_validator("name")
    @classmethod
    def same_everywhere(cls, name: str) -> str:
        """The name of a folder as an absolute path; `scratch` is no folder, whatever stands beside the program."""
        return name if name == "scratch" else folder_or_name(name)


class EncodeSection(Section):
    """From aligned words to linked subwords."""

    symmetrization: Literal["intersect", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"] = "intersect"
    subword_mapping: Literal["parallel", "first"] = "parallel"


class EvaluationSection(Section):
    """What is measured on the held-out pairs, before and after training."""

    layer: int = Field(default=-1, description="of the pooled states; 0 is the embeddings, -1 the last layer")
    batch_size: int = Field(default=64, ge=1)
    pivot: str | None = Field(default=None, description="language that retrieval goes to; null: the most frequent")


class SeedSection(Section):
    """Seeds by purpose: order of rows and sentences, masks, initial weights and dropout."""

    data: int = Field(default=1, ge=0, lt=2**63)
    masking: int = Field(default=2, ge=0, lt=2**63)
    model: int = Field(default=3, ge=0, lt=2**63)


class TrackingSection(Section):
    """MLflow. Credentials belong in MLflow's own environment variables, never here."""

    uri: str | None = Field(default=None, description="null: sqlite under the home")
    experiment: str = Field(default="weam-ray", min_length=1)
    wait_seconds: float = Field(
        default=120.0,
        ge=0,
        allow_inf_nan=False,
        description="how long a job waits, at its start and at its end, for a store that is locked or away",
    )

    @field_validator("uri")
    @classmethod
    def no_password(cls, uri: str | None) -> str | None:
        if uri is not None and urlsplit(uri).password is not None:
            shown = uri.replace(urlsplit(uri).password or "", "***")
            raise ValueError(
                f"{shown!r} holds a password, which would be written to every run; "
                "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
            )
        return uri


class ClusterSection(Section):
    """Where Ray is. RAY_ADDRESS goes first; `local` starts a cluster of this machine's own."""

    address: str = "local"
    num_cpus: int | None = Field(default=None, ge=1, description="CPU cores of a cluster of our own; null: all")
    data_cpus: float = Field(default=1.0, gt=0, description="CPU cores of a data task")


class OutputSection(Section):
    """Where the run's results go."""

    dir: OutputPath | None = Field(default=None, description="null: runs/<name>-<fingerprint> under the home")


class Config(Section):
    """The whole configuration of a run."""

    name: str = Field(default="custom", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    home: OutputPath | None = None
    data_root: LocalPath | None = Field(
        default=None, description="what `{data_root}` stands for in the paths of sources; null: WEAM_RAY_DATA_ROOT"
    )
    stages: StoragePath | None = Field(
        default=None, description="where stages are kept: a path or URI; null: stages/ under the home"
    )
    corpus: CorpusSection
    align: AlignSection = AlignSection()
    tokenizer: TokenizerSection = TokenizerSection()
    encoder: EncoderSection = EncoderSection(name="scratch")
    encode: EncodeSection = EncodeSection()
    objective: ObjectiveSection = ObjectiveSection()
    optimizer: OptimizerSection = OptimizerSection()
    training: TrainingSection = TrainingSection.model_validate({})
    evaluation: EvaluationSection = EvaluationSection()
    seeds: SeedSection = SeedSection()
    tracking: TrackingSection = TrackingSection()
    cluster: ClusterSection = ClusterSection()
    search: SearchSection = SearchSection()
    output: OutputSection = OutputSection()

    @model_validator(mode="before")
    @classmethod
    def under_data_root(cls, tree: Any) -> Any:
        """Put the data root into the paths of sources, so that the resolved tree shows what is read."""
        corpus = tree.get("corpus") if isinstance(tree, dict) else None
        sources = corpus.get("sources") if isinstance(corpus, dict) else None
        root = (tree.get("data_root") or os.environ.get("WEAM_RAY_DATA_ROOT")) if sources else None
        if root and not isinstance(root, str):
            raise ValueError(f"data_root: a path is expected, but {root!r} was given")
        for number, source in enumerate(sources if isinstance(sources, list) else []):
            for key, value in source.items() if isinstance(source, dict) else ():
                if not isinstance(value, str) or DATA_ROOT not in value:
                    continue
                if not root:
                    raise ValueError(
                        f"corpus.sources.{number}.{key}: {value!r} needs to know where the data are; set data_root, or "
                        "the environment variable WEAM_RAY_DATA_ROOT"
                    )
                source[key] = value.replace(DATA_ROOT, absolute(root))
        return tree

    @model_validator(mode="after")
    def languages_are_there(self) -> "Config":
        languages = {code for source in self.corpus.sources for code in source.languages if code}
        named = {"evaluation.pivot": self.evaluation.pivot}
        if "word_aligned" in self.objective.members:
            named["objective.anchor_language"] = self.objective.anchor_language
        for key, language in named.items():
            if language is not None and language not in languages:
                raise ValueError(
                    f"{key} {language!r} is in no source; the languages are {', '.join(sorted(languages))}"
                )
        return self

    @model_validator(mode="after")
    def pairs_are_there(self) -> "Config":
        if any(source.is_paired for source in self.corpus.sources):
            return self
        if self.objective.masking == "aligned":
            raise ValueError("objective.masking aligned masks words with links, but every source is unpaired text")
        need = [name for name in self.objective.members if name != "mlm"]
        if need:
            raise ValueError(
                f"objective {need[0]} learns from pairs, but every source is unpaired text; give a source of pairs, or "
                "objective=mlm"
            )
        return self

    def tree(self) -> dict[str, Any]:
        """The tree as plain values, under the names that users write."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self) -> str:
        """The tree as YAML that `load_config` reads back to an equal configuration."""
        buffer = io.StringIO()
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.dump(self.tree(), buffer)
        return buffer.getvalue()

    def result_settings(self) -> dict[str, Any]:
        """What can change a result: the tree without places, services and source paths (files count by content)."""
        tree = self.tree()
        for key in ("name", "home", "data_root", "stages", "tracking", "cluster", "search", "output"):
            del tree[key]
        del tree["corpus"]["sources"]
        del tree["training"]["max_failures"]
        for key in self.objective.idle:
            del tree["objective"][key]
        for key in ("model", "num_shards", "memory_limit"):
            del tree["align"][key]
        if self.encoder.name != "scratch":
            del tree["tokenizer"], tree["encoder"]["scratch"], tree["encoder"]["name"]
        return tree


def fingerprint(value: object) -> str:
    """16 hexadecimal digits of the SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(name_or_file: str, overrides: Sequence[str] = ()) -> Config:
    """A shipped configuration by name, or a YAML file, with overrides such as `objective.lambda=0.5`.

    Raises:
        UserError: no such configuration, an unreadable file, an unknown key, a wrong type or value.
    """
    tree, name = read_yaml(name_or_file)
    tree.setdefault("name", name)
    return make_config(tree, overrides)


def make_config(tree: dict[str, Any], overrides: Sequence[str] = ()) -> Config:
    """The configuration of a tree of plain values and overrides.

    Raises:
        UserError: an unknown key, a wrong type or value.
    """
    for override in overrides:
        apply_override(tree, override, short=("objective", "encoder"))
    return validated(Config, tree)


def read_yaml(name_or_file: str) -> tuple[dict[str, Any], str]:
    """The tree of a shipped configuration or of a file, and the name that it goes by."""
    shipped = SHIPPED / f"{name_or_file}.yaml"
    file = shipped if shipped.is_file() else Path(name_or_file).expanduser()
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.yaml")))
        raise UserError(f"--config {name_or_file}: neither a file nor one of the shipped configurations ({names}).")
    try:
        return parse_mapping(file.read_text(encoding="utf-8"), str(file)), file.stem
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: byte {error.start + 1} is not UTF-8; convert the file to UTF-8.") from None


def environment_home() -> str | None:
    return os.environ.get("WEAM_RAY_HOME") or None
