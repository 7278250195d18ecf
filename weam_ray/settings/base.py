"""What every section of the configuration is, and what is said of a key where it is declared: its roles."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

Mark = TypeVar("Mark")


class Role(Enum):
    """What a key counts for; every key has one role or more, written into its type: `Annotated[int, Role.RESULT]`."""

    RESULT = "It changes what is computed: it counts in fingerprints, and MLflow has it as a parameter."
    CONTENT = "It names files, which count in fingerprints by what is in them; MLflow has it as a parameter."
    SPEED = "It changes how fast something is done, and no result; MLflow has it as a parameter."
    MACHINE = "It says what a machine has room for, or how often a failure is borne; it changes no result."
    PLACE = "It says where something is kept; it changes no result."
    SERVICE = "It says how MLflow or Ray are reached; it changes no result."
    LABEL = "It is a name for people; it changes no result."
    EXTRA = "It asks the alignment or the corpus job for more; links and pairs stay the same."
    SEARCH = "It belongs to a search, which goes on with the same value only; it changes no result of a trial."
    SESSION = "It belongs to a search, and may change when the search is gone on with."
    WORKERS = "It belongs to the machines at work; `training.continue_from` goes on with another value of it."
    DEVICE = "It belongs to the device of a fine-tuning run, whose last digits depend on it."
    FEATURES = "The features of an evaluation, which are kept for later ones, depend on it."
    MODEL = "A fitted alignment model has it, and is used with the same value only."


TRACKED = (Role.RESULT, Role.CONTENT, Role.SPEED)  # roles of the keys that are parameters in MLflow


@dataclass(frozen=True)
class Fixed:
    """A mark of keys and sections that no search may vary, with the reason."""

    reason: str


@dataclass(frozen=True)
class Spends:
    """A mark of keys that change what a step costs, so that as many steps are no equal budget; with the reason.

    Args:
        told: whether a search may vary the key all the same, and says so.
    """

    reason: str
    told: bool = False


@dataclass(frozen=True)
class OnlyFor:
    """A mark of keys that change nothing unless one of some aligners, or objectives, takes part."""

    names: frozenset[str]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", frozenset(names))


@dataclass(frozen=True)
class Derived:
    """A mark of keys whose value follows from others where none is given, with the rule in words."""

    rule: str


@dataclass(frozen=True)
class Younger:
    """A mark of keys that are younger than results which must go on: at their default they count in no fingerprint."""


@dataclass(frozen=True)
class Called:
    """A mark of types: what users are told to write."""

    words: str


class Section(BaseModel):
    """A frozen part of the configuration tree; an unknown key or a wrong type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    def tree(self) -> dict[str, Any]:
        """The section as plain values, under the names that users write."""
        return self.model_dump(mode="json", by_alias=True)

    def only(self, *roles: Role) -> dict[str, Any]:
        """The `tree` of the keys that have one of some roles; a section without such keys is left out."""
        return _only(type(self), self.tree(), set(roles))

    def counted(self, *roles: Role) -> dict[str, Any]:
        """The same for a fingerprint: without keys at their default that are marked as `Younger`."""
        return _only(type(self), self.tree(), set(roles), for_fingerprint=True)


def marks(field: FieldInfo, kind: type[Mark]) -> list[Mark]:
    """The marks of a kind that a key's declaration has."""
    return [mark for mark in field.metadata if isinstance(mark, kind)]


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a key holds; None for a key with a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def written(name: str, field: FieldInfo) -> str:
    """The name of a key as users write it."""
    return field.alias or name


def _only(
    section: type[Section], tree: dict[str, Any], roles: set[Role], for_fingerprint: bool = False
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        key, inner = written(name, field), section_of(field)
        if inner is not None:
            below = _only(inner, tree[key], roles, for_fingerprint)
            if below:
                found[key] = below
        elif roles & set(marks(field, Role)):
            if not (for_fingerprint and marks(field, Younger) and tree[key] == field.default):
                found[key] = tree[key]
    return found
