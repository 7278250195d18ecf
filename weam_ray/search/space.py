"""Spaces of settings: for each key of the configuration the values that a search may give it."""

import importlib.util
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from weam_ray.errors import UserError
from weam_ray.settings.base import Section, Spends
from weam_ray.settings.config import Config, make_config
from weam_ray.settings.keys import key_marks, why_not_searched

SHIPPED = Path(__file__).parent / "spaces"
Value = str | int | float | bool | None


class Uniform(Section):
    """Any number from `low` to `high`; a grid has `points` of them."""

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    points: int = Field(default=3, ge=2)

    @model_validator(mode="after")
    def rises(self) -> "Uniform":
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self

    def grid(self) -> list[Value]:
        return [float(value) for value in np.linspace(self.low, self.high, self.points)]


class LogUniform(Uniform):
    """Any number from `low`, above 0, to `high`, the logarithms uniform."""

    @model_validator(mode="after")
    def positive(self) -> "LogUniform":
        if self.low <= 0:
            raise ValueError(f"low {self.low:g} must be above 0")
        return self

    def grid(self) -> list[Value]:
        inner = np.geomspace(self.low, self.high, self.points)[1:-1]
        return [self.low, *(float(f"{value:.6g}") for value in inner), self.high]


class Whole(Section):
    """A whole number from `low` to `high`, in steps from `low`."""

    low: int
    high: int
    step: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def rises(self) -> "Whole":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        return self

    def grid(self) -> list[Value]:
        return list(range(self.low, self.high + 1, self.step))


class Choice(Section):
    """One of some values, in no order."""

    values: list[Value] = Field(min_length=1)

    @model_validator(mode="after")
    def different(self) -> "Choice":
        if len({json.dumps(value) for value in self.values}) < len(self.values):
            raise ValueError(f"a value stands twice in {self.values}")
        return self

    def grid(self) -> list[Value]:
        return list(self.values)


Domain = Uniform | LogUniform | Whole | Choice


class Space(Section):
    """The domain of each searched key."""

    domains: dict[str, Domain] = Field(min_length=1)

    @classmethod
    def of(cls, domains: Mapping[str, Domain]) -> "Space":
        return cls(domains=dict(domains))

    def check(self, config: Config, where: str) -> None:
        """See that a configuration takes every key, at the ends of its domain and at each choice.

        Raises:
            UserError: an unknown key, one that is not to be searched, or a value that the configuration refuses.
        """
        for key, domain in self.domains.items():
            reason = why_not_searched(Config, key)
            if reason is not None:
                raise UserError(f"{where}: {key} cannot be searched: {reason}.")
            spends = [mark for mark in key_marks(Config, key, Spends) if not mark.told]
            if spends and not config.search.vary_budget:
                raise UserError(
                    f"{where}: {key} cannot be searched: {spends[0].reason}, so trials of as many steps would have "
                    "unequal budgets; search.vary_budget=true allows it."
                )
            values = domain.values if isinstance(domain, Choice) else [domain.low, domain.high]
            for value in values:
                try:
                    trial = self.configured(config, {key: value})
                except UserError as error:
                    raise UserError(f"{where}: {key} = {json.dumps(value)}: {error}") from None
                if {*trial.objective.members} != {*config.objective.members} and not config.search.vary_budget:
                    raise UserError(
                        f"{where}: {key} = {json.dumps(value)} trains by {' and '.join(trial.objective.members)}, the "
                        f"configuration by {' and '.join(config.objective.members)}: a step has other numbers of "
                        "tokens, predictions or passes, so trials of as many steps would have unequal budgets; "
                        "search.vary_budget=true allows it."
                    )
            section, _, name = key.partition(".")
            if section == "objective" and name in config.objective.idle and "objective.name" not in self.domains:
                raise UserError(f"{where}: {key} changes nothing for objective.name={config.objective.name}.")

    def notes(self) -> list[str]:
        """What trials of as many steps do not have in common, in sentences."""
        return [
            f"{key} is varied: {mark.reason}, at equal steps."
            for key in self.domains
            for mark in key_marks(Config, key, Spends)
        ]

    def configured(self, config: Config, values: Mapping[str, Value]) -> Config:
        """The configuration of a trial."""
        return make_config(config.tree(), [f"{key}={json.dumps(value)}" for key, value in values.items()])

    def grid(self) -> Iterator[dict[str, Value]]:
        """All combinations, the last key changing fastest."""
        for values in itertools.product(*(domain.grid() for domain in self.domains.values())):
            yield dict(zip(self.domains, values, strict=True))

    def grid_size(self) -> int:
        return math.prod(len(domain.grid()) for domain in self.domains.values())


def space_file(name: str, checkout: Path) -> Path:
    """The file of a space: a path, from the current folder or from `checkout`, or the name of one that is shipped.

    Raises:
        UserError: there is none.
    """
    for file in (Path(name).expanduser(), checkout / name, SHIPPED / f"{name}.py"):
        if file.is_file():
            return file.absolute()
    names = ", ".join(sorted(path.stem for path in SHIPPED.glob("[!_]*.py")))
    raise UserError(f"--space {name}: neither a file nor one of the shipped spaces ({names}).")


def load_space(file: Path) -> Space:
    """What the function `space` of a Python file returns.

    Raises:
        UserError: the file fails, or returns something else.
    """
    spec = importlib.util.spec_from_file_location(f"tune_space_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file}: a space is a Python file with a function space().")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function: Any = getattr(module, "space", None)
        found = function() if callable(function) else None
    except Exception as error:  # the user's own code
        lines = " ".join(str(error).split())
        raise UserError(f"{file}: the space cannot be made: {type(error).__name__}: {lines}") from None
    if not isinstance(found, Space):
        raise UserError(f"{file}: a function space() is expected that returns a Space of weam_ray.search.space.")
    return found
