"""Settings of a study: systems, intermediate tasks, settings, tasks and seeds, and what is claimed of them."""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from weam_ray.settings.base import Called, Role, Section
from weam_ray.settings.config import read_yaml
from weam_ray.settings.evaluation import Setting
from weam_ray.settings.parsing import apply_override, validated, written_yaml
from weam_ray.settings.paths import LocalPath, OutputPath, StoragePath
from weam_ray.settings.services import ClusterSection, OutputSection, TrackingSection

STUDIES = Path(__file__).parent / "studies"
NONE = "none"  # the intermediate training that is none
ALL = "all"  # of languages: all but English
Overrides = dict[str, Any]
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+@%-]*$"


class Arm(Section):
    """One side of a comparison; what it leaves open is that of `on`, and else the first, or all, of the study."""

    system: Annotated[str | None, Role.RESULT] = Field(default=None, description="A system of the study.")
    intermediate: Annotated[str | None, Role.RESULT] = Field(
        default=None, description="An intermediate training of the study; none where nothing says otherwise."
    )
    setting: Annotated[Setting | None, Role.RESULT] = Field(
        default=None, description="A setting of the study; its first where nothing says otherwise."
    )
    tasks: Annotated[list[str], Role.RESULT] = Field(
        default=[], description="Tasks whose scores are averaged; all where nothing says otherwise."
    )
    languages: Annotated[list[str], Role.RESULT] = Field(
        default=[],
        description="Languages and groups of languages whose scores are averaged; all but English where nothing says "
        "otherwise.",
    )

    def over(self, base: "Arm") -> "Arm":
        """This arm, with what it leaves open taken from another."""
        given = {key: value for key, value in self.model_dump().items() if value not in (None, [])}
        return base.model_copy(update=given)


class Contrast(Section):
    """The score of one arm less that of another; `beyond`: less the same of two others, which is an interaction."""

    better: Annotated[Arm, Role.RESULT] = Field(description="The arm whose score counts.")
    than: Annotated[Arm, Role.RESULT] = Field(description="The arm whose score is taken off.")
    beyond: Annotated["Contrast | None", Role.RESULT] = Field(
        default=None, description="Two other arms, whose difference is taken off."
    )


class Claim(Section):
    """A sentence that the study finds to be confirmed, refuted or undecided."""

    name: Annotated[str, Role.LABEL] = Field(pattern=NAME, description="A short name.")
    statement: Annotated[str, Role.LABEL] = Field(min_length=1, description="The sentence.")
    relation: Annotated[Literal["greater", "equivalent", "correlated"], Role.RESULT] = Field(
        default="greater",
        description="What is claimed: that `better` is more than `than` by more than `margin`; that they differ by "
        "less than `margin`; or that over systems and languages `x` and `y` rise together.",
    )
    margin: Annotated[float, Role.RESULT] = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="A difference in percentage points."
    )
    on: Annotated[Arm, Role.RESULT, Called("arm")] = Field(
        default=Arm(), description="What both sides have in common: an arm without a system, for example."
    )
    better: Annotated[Arm | None, Role.RESULT, Called("arm")] = Field(
        default=None, description="The side that is said to be better, or one of two that are said to be the same."
    )
    than: Annotated[Arm | None, Role.RESULT, Called("arm")] = Field(default=None, description="The other side.")
    beyond: Annotated[Contrast | None, Role.RESULT, Called("contrast")] = Field(
        default=None, description="Two arms whose difference is taken off, so that the claim is of an interaction."
    )
    x: Annotated[Contrast | None, Role.RESULT, Called("contrast")] = Field(
        default=None, description="For `correlated`: what is on one axis, for each system and language."
    )
    y: Annotated[Contrast | None, Role.RESULT, Called("contrast")] = Field(
        default=None, description="For `correlated`: what is on the other."
    )
    systems: Annotated[list[str], Role.RESULT] = Field(
        default=[], description="For `correlated`: the systems that give a point for each language; all if empty."
    )

    @model_validator(mode="after")
    def sides_are_there(self) -> "Claim":
        needed = ("x", "y") if self.relation == "correlated" else ("better", "than")
        for key in ("better", "than", "beyond", "x", "y"):
            given = getattr(self, key) is not None
            if key in needed and not given:
                raise ValueError(f"a claim that is {self.relation} needs {key!r}")
            if given and key not in needed and (key != "beyond" or self.relation == "correlated"):
                raise ValueError(f"a claim that is {self.relation} has no {key!r}")
        if self.relation == "equivalent" and not self.margin:
            raise ValueError("a claim of equivalence needs a margin above 0: what differs by less is the same")
        if self.relation == "correlated" and self.margin:
            raise ValueError("a claim of correlation has no margin")
        return self

    def contrast(self) -> Contrast:
        """The two sides, or the four of an interaction, with what `on` says."""
        assert self.better is not None
        assert self.than is not None
        return spread_over(Contrast(better=self.better, than=self.than, beyond=self.beyond), self.on)

    def arms(self) -> Iterator[Arm]:
        """All arms that the claim names."""
        yield self.on
        yield from (arm for arm in (self.better, self.than) if arm is not None)
        for contrast in (self.beyond, self.x, self.y):
            if contrast is not None:
                yield from (arm for _, arm in arms_of(contrast))


def spread_over(contrast: Contrast, on: Arm) -> Contrast:
    """A contrast whose arms take what they leave open from `on`."""
    beyond = None if contrast.beyond is None else spread_over(contrast.beyond, on)
    return Contrast(better=contrast.better.over(on), than=contrast.than.over(on), beyond=beyond)


def arms_of(contrast: Contrast) -> Iterator[tuple[int, Arm]]:
    """The arms of a contrast, each with the sign that its score has."""
    yield 1, contrast.better
    yield -1, contrast.than
    if contrast.beyond is not None:
        yield from ((-sign, arm) for sign, arm in arms_of(contrast.beyond))


class PretrainingOfStudy(Section):
    """What all pre-trainings of a study have in common."""

    config: Annotated[str, Role.CONTENT, Called("file or name")] = Field(
        default="bundled", description="A configuration of pre-training: a YAML file, or a shipped one."
    )
    set: Annotated[Overrides, Role.RESULT, Called("mapping of keys and values")] = Field(
        default={}, description="Keys of it that the study changes, such as `training.max_steps: 500`."
    )
    base: Annotated[Overrides | None, Role.RESULT, Called("mapping of keys and values")] = Field(
        default=None,
        description="Keys with which the base encoder is trained first, once; null: it is `encoder.name`.",
    )


class LowResource(Section):
    """The amount of parallel text of one language pair as an axis: systems are trained with less and less of it."""

    pair: Annotated[str, Role.RESULT] = Field(
        pattern=r"^[A-Za-z_-]+$", description="The language pair, such as en-tl, by the languages of its source."
    )
    shares: Annotated[list[float], Role.RESULT] = Field(
        min_length=1, description="The shares of its training pairs, from 0 to 1; a smaller one is part of a larger."
    )
    systems: Annotated[list[str], Role.RESULT] = Field(
        min_length=1, description="The systems that are trained again with each share."
    )

    @field_validator("shares")
    @classmethod
    def are_shares(cls, shares: list[float]) -> list[float]:
        wrong = [share for share in shares if not 0 <= share <= 1]
        if wrong:
            raise ValueError(f"{wrong[0]} is no share; it must be from 0 to 1")
        return shares


class StudySettings(Section):
    """The settings of a study: the matrix of what is compared, and the claims that it answers."""

    name: Annotated[str, Role.LABEL] = Field(
        default="study", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="What the study is called."
    )
    title: Annotated[str, Role.LABEL] = Field(default="", description="The question that it answers, as a sentence.")
    pretraining: PretrainingOfStudy = PretrainingOfStudy()
    systems: Annotated[dict[str, Overrides | None], Role.RESULT, Called("mapping of names to keys and values")] = Field(
        min_length=1,
        description="What is compared, by name: keys of pre-training that a system changes; null: the base encoder as "
        "it is.",
    )
    low_resource: Annotated[LowResource | None, Role.RESULT, Called("mapping of pair, shares and systems")] = Field(
        default=None, description="Systems that are trained again with a share of the pairs of one language pair."
    )
    intermediate: Annotated[dict[str, list[str]], Role.RESULT, Called("mapping of names to lists of tasks")] = Field(
        default={NONE: []},
        description="The intermediate trainings by name: tasks that are trained on first, in this order.",
    )
    settings: Annotated[list[Setting], Role.RESULT] = Field(
        default=["zero-shot"], min_length=1, description="What is trained on, as `setting` of an evaluation."
    )
    tasks_of_settings: Annotated[
        dict[Setting, list[str]], Role.RESULT, Called("mapping of settings to lists of tasks")
    ] = Field(
        default={},
        description="The tasks of a setting that has not all of the study's; what trains nothing belongs to the first "
        "setting alone.",
    )
    evaluation: Annotated[dict[str, Any], Role.RESULT, Called("mapping of keys and values of an evaluation")] = Field(
        description="Keys of the evaluation: `tasks`, `languages`, `recipe`, `recipes`, `threads`, `use_gpu`.",
    )
    groups: Annotated[dict[str, list[str]], Role.RESULT, Called("mapping of names to lists of languages")] = Field(
        default={}, description="Groups of languages by name, such as low-resource ones, for claims and tables."
    )
    pretraining_seeds: Annotated[int, Role.RESULT] = Field(
        default=3, ge=1, description="How often each system is pre-trained, with other seeds: the units of a claim."
    )
    finetuning_seeds: Annotated[int, Role.RESULT] = Field(
        default=1, ge=1, description="How often each pre-trained encoder is fine-tuned on a task, with other seeds."
    )
    learning_rates: Annotated[dict[str, list[float]], Role.RESULT, Called("mapping of tasks to lists of numbers")] = (
        Field(
            default={},
            description="Learning rates of fine-tuning by task, of which each system takes the one that is best on "
            "English development data.",
        )
    )
    pretraining_rates: Annotated[
        dict[str, list[float]], Role.RESULT, Called("mapping of systems to lists of numbers")
    ] = Field(
        default={},
        description="Learning rates of pre-training by system, of which each takes the one whose encoder of the first "
        "seed is best on English development data, as the mean over the study's tasks that train.",
    )
    claims: Annotated[list[Claim], Role.LABEL, Called("list of claims")] = Field(
        default=[], description="What the study answers, each with `name`, `statement` and the sides that it compares."
    )
    home: Annotated[OutputPath | None, Role.PLACE] = Field(
        default=None,
        description="The folder of all that jobs leave; null: WEAM_RAY_HOME, else the checkout for jobs/*.py, and the "
        "current folder for the command weam-ray.",
    )
    stages: Annotated[StoragePath | None, Role.PLACE] = Field(
        default=None, description="Where the data stages are kept; null: stages/ in the home."
    )
    data_root: Annotated[LocalPath | None, Role.PLACE] = Field(
        default=None, description="The folder of the tasks, and {data_root} of sources; null: WEAM_RAY_DATA_ROOT."
    )
    tracking: TrackingSection = TrackingSection()
    cluster: ClusterSection = ClusterSection()
    output: OutputSection = OutputSection()

    @model_validator(mode="before")
    @classmethod
    def one_claim_for_each(cls, tree: Any) -> Any:
        """Write out the claims with `for_each`, one for each combination of its values, put in place of `{key}`."""
        claims = tree.get("claims") if isinstance(tree, dict) else None
        if not isinstance(claims, list):
            return tree
        return {**tree, "claims": [written for claim in claims for written in written_out(claim)]}

    @model_validator(mode="after")
    def names_are_known(self) -> "StudySettings":
        if self.intermediate.get(NONE):
            raise ValueError(f"intermediate.{NONE}: this name is for no intermediate training; give it an empty list")
        names = [claim.name for claim in self.claims]
        twice = [name for k, name in enumerate(names) if name in names[:k]]
        if twice:
            raise ValueError(f"claims: {twice[0]!r} is there twice; each claim needs a name of its own")
        for name in self.low_resource.systems if self.low_resource else ():
            if self.systems.get(name) is None:
                raise ValueError(f"low_resource.systems: {name!r} is no system that is trained")
        for name in self.pretraining_rates:
            if self.systems.get(name) is None:
                raise ValueError(f"pretraining_rates.{name}: this is no system that is trained")
        of_settings = {f"tasks_of_settings.{setting}": names for setting, names in self.tasks_of_settings.items()}
        for key, names in {"learning_rates": list(self.learning_rates), **of_settings}.items():
            for name in names:
                if name not in self.tasks:
                    raise ValueError(f"{key}.{name}: the study has no such task; the tasks are {', '.join(self.tasks)}")
        missing = [name for name in self.tasks_of_settings if name not in self.settings]
        if missing:
            raise ValueError(f"tasks_of_settings.{missing[0]}: the study has no such setting")
        shared = [name for name in self.groups if name == ALL]
        if shared:
            raise ValueError(f"groups.{ALL}: this name is for all languages but English")
        return self

    @property
    def tasks(self) -> list[str]:
        """The tasks of all settings."""
        return self.evaluation.get("tasks") or []

    def to_yaml(self) -> str:
        """The settings as YAML that `load_study` reads back to equal ones."""
        return written_yaml(self.tree())


def load_study(name_or_file: str, overrides: Sequence[str] = ()) -> StudySettings:
    """A shipped study by name, or a YAML file, with overrides such as `pretraining_seeds=5`.

    Raises:
        UserError: no such study, an unreadable file, an unknown key, a wrong type or value.
    """
    tree, name = read_yaml(name_or_file, STUDIES, "--study")
    tree.setdefault("name", name)
    for override in overrides:
        apply_override(tree, override)
    tree["data_root"] = tree.get("data_root") or os.environ.get("WEAM_RAY_DATA_ROOT")
    return validated(StudySettings, tree)


def written_out(claim: Any) -> Iterator[Any]:
    """The claims that one with `for_each` stands for; one without stands for itself.

    Raises:
        ValueError: `for_each` is no mapping of names to lists.
    """
    if not isinstance(claim, dict) or "for_each" not in claim:
        yield claim
        return
    axes = claim["for_each"]
    if not isinstance(axes, dict) or not all(isinstance(values, list) for values in axes.values()):
        raise ValueError("claims.for_each: a mapping of names to lists of values is expected")
    rest = {key: value for key, value in claim.items() if key != "for_each"}
    for values in product(*axes.values()):
        yield filled(rest, dict(zip(axes, map(str, values), strict=True)))


def filled(value: Any, names: dict[str, str]) -> Any:
    """A tree with `{name}` in its texts replaced."""
    if isinstance(value, dict):
        return {key: filled(own, names) for key, own in value.items()}
    if isinstance(value, list):
        return [filled(own, names) for own in value]
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
    return value
