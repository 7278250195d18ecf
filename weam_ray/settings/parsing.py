"""From YAML and `a.b=value` overrides to a checked tree of settings; what is wrong is told in sentences."""

import difflib
import io
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from weam_ray.errors import UserError
from weam_ray.settings.base import Section
from weam_ray.settings.filters import FILTER_KINDS
from weam_ray.settings.sources import SOURCE_KINDS

KINDS: dict[str, dict[str, type[Section]]] = {  # of what stands in lists, by the key that names them
    tag: {get_args(kind.model_fields[tag].annotation)[0]: kind for kind in kinds}
    for tag, kinds in (("format", SOURCE_KINDS), ("filter", FILTER_KINDS))
}
NAMES = {name: kind for kinds in KINDS.values() for name, kind in kinds.items()}

Root = TypeVar("Root", bound=Section)


def validated(root: type[Root], tree: dict[str, Any]) -> Root:
    """The settings of a tree of plain values.

    Raises:
        UserError: an unknown key, a wrong type or value, a sentence for each.
    """
    try:
        return root.model_validate(tree)
    except ValidationError as error:
        raise UserError("\n".join(dict.fromkeys(sentences(error, root)))) from None


def parse_mapping(text: str, where: str) -> dict[str, Any]:
    try:
        tree = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UserError(f"{where}: a mapping of sections is expected, not {type(tree).__name__}.")
    return tree


def written_yaml(tree: dict[str, Any]) -> str:
    """A tree of plain values as YAML, its keys in their order."""
    buffer = io.StringIO()
    yaml: Any = YAML(typ="safe", pure=True)  # which says of some settings that they are None
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.dump(tree, buffer)
    return buffer.getvalue()


def apply_override(tree: dict[str, Any], override: str, short: Sequence[str] = ()) -> None:
    """Set one dotted key; the value is read as YAML. For the keys `short`, `KEY=NAME` means `KEY.name=NAME`."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"{override!r}: an override has the form key.sub=value.")
    try:
        value = YAML(typ="safe", pure=True).load(text) if text else None
    except YAMLError as error:
        raise UserError(f"{override!r}: the value is not valid YAML: {' '.join(str(error).split())}") from None
    if key in short and isinstance(value, str):
        key += ".name"
    *parents, last = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise UserError(f"{override!r}: {parent!r} is a value, not a section.")
    tree[last] = value


def sentences(error: ValidationError, root: type[Section]) -> Iterator[str]:
    """What is wrong with a configuration, a sentence for each key."""
    for problem in error.errors():
        path = without_kinds(problem["loc"])
        where, given = ".".join(path), problem.get("input")
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(
                str(problem["loc"][-1]), siblings(root, problem["loc"]), n=1, cutoff=0.0
            )
            hint = f" Did you mean {'.'.join([*path[:-1], nearest[0]])!r}?" if nearest else ""
            yield f"{where}: unknown key.{hint}"
        elif problem["type"] == "missing":
            yield f"{where}: this key is required."
        elif problem["type"] == "value_error":
            message = str(problem["ctx"]["error"])
            yield f"{where}: {message}." if where else f"{message}."
        elif problem["type"] == "union_tag_not_found":
            tag = problem["ctx"]["discriminator"].strip("'")
            yield f"{where}.{tag}: this key is required: one of {', '.join(KINDS[tag])}."
        elif problem["type"] == "union_tag_invalid":
            tag = problem["ctx"]["discriminator"].strip("'")
            yield f"{where}.{tag}: {problem['ctx']['tag']!r} is none of {problem['ctx']['expected_tags']}."
        else:
            yield f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}, but {given!r} was given."


def without_kinds(location: Sequence[str | int]) -> list[str]:
    """A location without the names of kinds, which stand after the number of an entry of a list."""
    before = [None, *location]
    return [
        str(part) for part, last in zip(location, before, strict=False) if not (isinstance(last, int) and part in NAMES)
    ]


def siblings(root: type[Section], location: Sequence[str | int]) -> list[str]:
    """The keys that the section at a location knows."""
    section: Any = root
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        if get_origin(section) is dict:  # whose keys are names that users choose
            section = get_args(section)[1]
        elif isinstance(section, type) and issubclass(section, Section):
            section = next(
                (field.annotation for name, field in section.model_fields.items() if part in (name, field.alias)),
                None,
            )
        elif section is not None:
            section = NAMES.get(part)
    if not (isinstance(section, type) and issubclass(section, Section)):
        return []
    return [field.alias or name for name, field in section.model_fields.items()]


def flat_parameters(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The settings of a configuration tree by dotted key, but for lists of mappings."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat_parameters(value, f"{prefix}{key}.")
        elif not (isinstance(value, list) and any(isinstance(entry, dict) for entry in value)):
            found[prefix + key] = value
    return found
