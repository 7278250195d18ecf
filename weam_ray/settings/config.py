"""The configuration of pre-training, alignment and search: one typed tree, read from YAML and
`a.b=value` overrides.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from weam_ray.errors import UserError
from weam_ray.settings.align_job import AlignJobSection
from weam_ray.settings.base import TRACKED, Fixed, Role, Section
from weam_ray.settings.corpus_job import CorpusJobSection
from weam_ray.settings.data import AlignSection, CorpusSection, EncodeSection, TokenizerSection
from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.measurement import EvaluationSection
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.settings.parsing import apply_override, flat_parameters, parse_mapping, validated, written_yaml
from weam_ray.settings.paths import LocalPath, OutputPath, StoragePath, absolute
from weam_ray.settings.search import SearchSection
from weam_ray.settings.services import ClusterSection, OutputSection, TrackingSection
from weam_ray.settings.training import OptimizerSection, SeedSection, TrainingSection

SHIPPED = Path(__file__).parent / "shipped"
DATA_ROOT = "{data_root}"


class Config(Section):
    """The settings of pre-training, search and alignment."""

    name: Annotated[str, Role.LABEL, Fixed("it is the search's")] = Field(
        default="custom",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="What runs are called; a file or a shipped configuration that says none goes by its own name.",
    )
    home: Annotated[OutputPath | None, Role.PLACE, Fixed("it is a place")] = Field(
        default=None,
        description="The folder of all that jobs leave: stages/, runs/, mlflow.db; null: WEAM_RAY_HOME, else the "
        "checkout for jobs/*.py, and the current folder for the command weam-ray.",
    )
    data_root: Annotated[LocalPath | None, Role.PLACE, Fixed("it is a place")] = Field(
        default=None, description="What {data_root} stands for in the paths of sources; null: WEAM_RAY_DATA_ROOT."
    )
    stages: Annotated[StoragePath | None, Role.PLACE, Fixed("it is a place")] = Field(
        default=None, description="Where the data stages are kept; null: stages/ in the home."
    )
    corpus: Annotated[CorpusSection, Fixed("the held-out pairs must be the same for all trials")]
    align: AlignSection = AlignSection()
    tokenizer: Annotated[TokenizerSection, Fixed("losses of other words cannot be compared")] = TokenizerSection()
    encoder: EncoderSection = EncoderSection(name="scratch")
    encode: EncodeSection = EncodeSection()
    objective: ObjectiveSection = ObjectiveSection()
    optimizer: OptimizerSection = OptimizerSection()
    training: TrainingSection = TrainingSection.model_validate({})
    evaluation: Annotated[EvaluationSection, Fixed("the metric must be the same for all trials")] = EvaluationSection()
    seeds: Annotated[SeedSection, Fixed("search.num_seeds trains each trial with several")] = SeedSection()
    tracking: Annotated[TrackingSection, Fixed("all trials are tracked in one store")] = TrackingSection()
    cluster: Annotated[ClusterSection, Fixed("all trials run in one cluster")] = ClusterSection()
    search: Annotated[SearchSection, Fixed("it is the search itself")] = SearchSection()
    align_job: AlignJobSection = AlignJobSection()
    corpus_job: CorpusJobSection = CorpusJobSection()
    output: Annotated[OutputSection, Fixed("each trial has a folder of its own")] = OutputSection()

    @model_validator(mode="before")
    @classmethod
    def under_data_root(cls, tree: Any) -> Any:
        """Put the data root into the paths of sources and filters, so that the resolved tree shows what is read."""
        corpus = tree.get("corpus") if isinstance(tree, dict) else None
        lists = {name: corpus.get(name) for name in ("sources", "filters")} if isinstance(corpus, dict) else {}
        root = (tree.get("data_root") or os.environ.get("WEAM_RAY_DATA_ROOT")) if any(lists.values()) else None
        if root and not isinstance(root, str):
            raise ValueError(f"data_root: a path is expected, but {root!r} was given")
        for name, given in lists.items():
            for number, entry in enumerate(given if isinstance(given, list) else []):
                for key, value in entry.items() if isinstance(entry, dict) else ():
                    if not names_data_root(value):
                        continue
                    if not root:
                        raise ValueError(
                            f"corpus.{name}.{number}.{key}: {value!r} needs to know where the data are; set data_root, "
                            "or the environment variable WEAM_RAY_DATA_ROOT"
                        )
                    entry[key] = with_data_root(value, absolute(root))
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

    def of_training(self) -> TrainingSettings:
        """The sections that a training computes with."""
        return TrainingSettings(
            self.encoder, self.objective, self.optimizer, self.training, self.seeds, self.evaluation
        )

    def parameters(self) -> dict[str, Any]:
        """The settings that MLflow compares, by dotted key and by their roles.

        Null ones, idle ones, and younger ones at their default are left out.
        """
        idle = {f"objective.{key}" for key in self.objective.idle}
        if self.training.continue_from is None:
            idle.add("training.weights_only")
        return {
            key: value
            for key, value in flat_parameters(self.counted(*TRACKED)).items()
            if value is not None and not any(key == own or key.startswith(f"{own}.") for own in idle)
        }

    def to_yaml(self) -> str:
        """The tree as YAML that `load_config` reads back to an equal configuration."""
        return written_yaml(self.tree())

    def result_settings(self) -> dict[str, Any]:
        """What can change a result: the tree without places, services and source paths (files count by content)."""
        tree = self.counted(Role.RESULT)
        for key in self.objective.idle:
            del tree["objective"][key]
        if self.encoder.name != "scratch":
            del tree["tokenizer"], tree["encoder"]["scratch"], tree["encoder"]["name"]
        return tree


def names_data_root(value: Any) -> bool:
    """Whether a value of a source, or one inside of it, has the data root in it."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (isinstance(value, str) and DATA_ROOT in value) or any(map(names_data_root, inside))


def with_data_root(value: Any, root: str) -> Any:
    """A value of a source with the data root put in."""
    if isinstance(value, dict):
        return {key: with_data_root(inner, root) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_data_root(inner, root) for inner in value]
    return value.replace(DATA_ROOT, root) if isinstance(value, str) else value


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


def read_yaml(name_or_file: str, folder: Path = SHIPPED, what: str = "--config") -> tuple[dict[str, Any], str]:
    """The tree of a shipped configuration or of a file, and the name that it goes by.

    Args:
        folder: of those that are shipped.
        what: the option that named it.

    Raises:
        UserError: there is none of the name, or it is no mapping in YAML.
    """
    shipped = folder / f"{name_or_file}.yaml"
    file = shipped if shipped.is_file() else Path(name_or_file).expanduser()
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        kind = "configurations" if what == "--config" else "studies"
        raise UserError(f"{what} {name_or_file}: neither a file nor one of the shipped {kind} ({names}).")
    return read_file(file), file.stem


def read_file(file: Path) -> dict[str, Any]:
    """The tree of a YAML file.

    Raises:
        UserError: there is no such file, or it is no mapping in YAML.
    """
    if not file.is_file():
        raise UserError(f"--config {file}: there is no such file.")
    try:
        return parse_mapping(file.read_text(encoding="utf-8"), str(file))
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: byte {error.start + 1} is not UTF-8; convert the file to UTF-8.") from None
