"""The keys of a tree of settings, one after another, with their types and defaults in words."""

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from weam_ray.settings.base import Called, Derived, Fixed, Mark, OnlyFor, Role, Section, marks, section_of, written

REQUIRED = "required"
NAMES: dict[Any, tuple[str, str]] = {  # of a type: one value, and several
    bool: ("true or false", "true or false"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
}


@dataclass(frozen=True)
class Key:
    """A key with a value, by the dotted name that users write; `default` as YAML, or `required`."""

    name: str
    field: FieldInfo
    section: type[Section]
    default: str

    @property
    def roles(self) -> list[Role]:
        return marks(self.field, Role)

    @property
    def sentence(self) -> str:
        return self.field.description or ""

    @property
    def type(self) -> str:
        """What is to be written: `whole number, 1 or more, or null`."""
        return in_words(self.field.annotation, self.field.metadata)


def keys(root: type[Section], prefix: str = "", given: BaseModel | None = None) -> Iterator[Key]:
    """All keys of a tree that hold values; `given` are its values where a section above says them."""
    for name, field in root.model_fields.items():
        key, inner = prefix + written(name, field), section_of(field)
        value = field.default if given is None else getattr(given, name)
        if inner is None:
            yield Key(key, field, root, default_of(field, value))
        else:
            yield from keys(inner, f"{key}.", value if isinstance(value, inner) else None)


def sections(root: type[Section], prefix: str = "") -> Iterator[tuple[str, type[Section]]]:
    """The sections of a tree by dotted name, the root (without a name) first."""
    yield prefix, root
    for name, field in root.model_fields.items():
        inner = section_of(field)
        if inner is not None:
            yield from sections(inner, f"{prefix}{'.' if prefix else ''}{written(name, field)}")


def keys_with(root: type[Section], *roles: Role) -> list[str]:
    """The dotted names of the keys that have one of some roles."""
    return [key.name for key in keys(root) if set(roles) & set(key.roles)]


def keys_only_for(section: type[Section], *names: str) -> list[str]:
    """The keys of a section that are marked to be for some aligners or objectives, of which one is among `names`."""
    return [key.name for key in keys(section) if any(mark.names & {*names} for mark in marks(key.field, OnlyFor))]


def why_not_searched(root: type[Section], name: str) -> str | None:
    """The reason why a search may not vary a key; None where it may, and of a key that there is not."""
    section: type[Section] | None = root
    for part in name.split("."):
        if section is None:
            return None
        field = next((own for key, own in section.model_fields.items() if written(key, own) == part), None)
        if field is None:
            return None
        for mark in marks(field, Fixed):
            return mark.reason
        section = section_of(field)
        if section is None and not {Role.RESULT, Role.CONTENT} & {*marks(field, Role)}:
            return "it changes no result"
    return None


def key_marks(root: type[Section], name: str, kind: type[Mark]) -> list[Mark]:
    """The marks of a kind that a key has, by dotted name; none of a key that there is not."""
    return next((marks(key.field, kind) for key in keys(root) if key.name == name), [])


def default_of(field: FieldInfo, value: Any) -> str:
    """A default as YAML, or the rule that it follows from."""
    for mark in marks(field, Derived):
        return f"null: {mark.rule}"
    if field.is_required() and value is field.default:
        return REQUIRED
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def in_words(annotation: Any, metadata: list[Any], plural: bool = False) -> str:
    """A type in words, with the bounds that its metadata give."""
    for mark in metadata:
        if isinstance(mark, Called):
            return mark.words
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [bound for mark in inside[1:] if isinstance(mark, FieldInfo) for bound in mark.metadata]
        return in_words(inside[0], [*inside[1:], *inner, *metadata], plural)
    if origin is Literal:
        names = [json.dumps(value) if not isinstance(value, str) else value for value in inside]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
    if origin in (Union, types.UnionType):
        return f"{in_words(inside[0], metadata, plural)}, or null"
    if origin is list:
        return f"list of {in_words(inside[0], [], plural=True)}"
    if origin is dict:
        return f"mapping of names to {in_words(inside[1], [], plural=True)}"
    name = NAMES[annotation][plural] if annotation in NAMES else "values"
    bounds = bounds_in_words(metadata) if annotation in (int, float) else ""
    return f"{name}, {bounds}" if bounds else name


def bounds_in_words(metadata: list[Any]) -> str:
    """The bounds of a number among the metadata of its type, such as `above 0 and below 1`; empty without any."""
    low = next((in_digits(mark.ge) for mark in metadata if isinstance(mark, Ge)), None)
    above = next((in_digits(mark.gt) for mark in metadata if isinstance(mark, Gt)), None)
    high = next((in_digits(mark.le) for mark in metadata if isinstance(mark, Le)), None)
    below = next((in_digits(mark.lt) for mark in metadata if isinstance(mark, Lt)), None)
    start = f"{low} or more" if low else f"above {above}" if above else ""
    if low and high:
        return f"from {low} to {high}"
    end = f"at most {high}" if high else f"below {below}" if below else ""
    return " and ".join(filter(None, (start, end)))


def in_digits(number: Any) -> str:
    """A number as people read it: `32,000`, and large powers of two as `2^63`."""
    power = number.bit_length() - 1 if isinstance(number, int) else 0
    return f"2^{power}" if power > 20 and number == 2**power else f"{number:,}"
