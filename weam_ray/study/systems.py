"""The systems of a study as configurations of pre-training: one for each system and seed, all from one base encoder."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weam_ray.errors import UserError
from weam_ray.model.encoder import SCRATCH
from weam_ray.settings.config import Config, load_config, make_config
from weam_ray.settings.study import StudySettings

BASE = "base"
RATE = "optimizer.learning_rate"
SEED_STEP = 1_000  # between the seeds of two pre-trainings, as between those of a search's trainings


@dataclass(frozen=True, eq=False)
class System:
    """A system of a study.

    Attributes:
        overrides: keys of pre-training that it changes; None for the base encoder as it is.
        share: of the training pairs of the low-resource pair; None where all are taken.
        of: the system that it is with another share, or its own name.
    """

    name: str
    overrides: Mapping[str, Any] | None
    share: float | None
    of: str


def systems_of(settings: StudySettings) -> list[System]:
    """The systems, and behind them those that are trained with a share of the pairs of one language."""
    found = [System(name, own, None, name) for name, own in settings.systems.items()]
    axis = settings.low_resource
    if axis is None:
        return found
    for name in axis.systems:
        for share in axis.shares:
            limit = {f"corpus.limits.{axis.pair}": share} if share < 1 else {}  # all of it is the system itself
            own = {**(settings.systems[name] or {}), **limit}
            found.append(System(f"{name}@{100 * share:g}%", own, share, name))
    return found


def candidates_of(settings: StudySettings) -> dict[System, float]:
    """The systems with each learning rate of pre-training that they are tried with."""
    return {
        System(f"{name}@{rate:g}", {**(settings.systems[name] or {}), RATE: rate}, None, name): rate
        for name, rates in settings.pretraining_rates.items()
        for rate in rates
    }


def with_rates(settings: StudySettings, chosen: Mapping[str, float]) -> StudySettings:
    """The study with the learning rates of pre-training that were chosen, and none to choose."""
    systems = {
        name: own if own is None or name not in chosen else {**own, RATE: chosen[name]}
        for name, own in settings.systems.items()
    }
    return settings.model_copy(update={"systems": systems, "pretraining_rates": {}})


@dataclass(frozen=True)
class Configurations:
    """The configurations of a study's pre-trainings."""

    settings: StudySettings

    def of_base(self) -> Config | None:
        """The pre-training of the base encoder; None where it is an encoder that is there.

        Raises:
            UserError: a key is unknown or has a wrong value, or there is no encoder to begin from.
        """
        base = self.settings.pretraining.base
        if base is None:
            self.check_encoder()
            return None
        return self.named(self.loaded("pretraining.base", base))

    def check_encoder(self) -> None:
        """See that there is an encoder that all systems begin from.

        Raises:
            UserError: each would begin from random numbers of its own.
        """
        if self.loaded("pretraining.set", {}).encoder.name == SCRATCH:
            raise UserError(
                "pretraining.base: all systems begin from the same encoder, and encoder.name is scratch; say how it is "
                "trained (pretraining.base), or name one (pretraining.set: {encoder.name: FOLDER})."
            )

    def encoder(self, base: str | None) -> str:
        """The name or folder of the base encoder.

        Args:
            base: the folder of the base encoder that the study trained.
        """
        return base or self.loaded("pretraining.set", {}).encoder.name

    def of(self, system: System, seed: int, base: str | None) -> Config:
        """The pre-training of a system with a seed, from 1.

        Args:
            base: the folder of the base encoder that the study trained; None where the configuration names it.

        Raises:
            UserError: a key is unknown or has a wrong value.
        """
        assert system.overrides is not None
        begin = {} if base is None else {"encoder.name": base}
        config = self.loaded(f"systems.{system.of}", {**begin, **system.overrides})
        seeds = {name: own + (seed - 1) * SEED_STEP for name, own in config.seeds.model_dump().items()}
        return self.named(make_config(config.tree(), [f"seeds={json.dumps(seeds)}"]))

    def loaded(self, where: str, overrides: Mapping[str, Any]) -> Config:
        """The study's configuration of pre-training with some keys.

        Raises:
            UserError: a key is unknown or has a wrong value.
        """
        settings = self.settings
        services = {
            "home": settings.home,
            "stages": settings.stages,
            "data_root": settings.data_root,
            "tracking": settings.tracking.tree(),
            "cluster": settings.cluster.tree(),
            "output": {"dir": None},
        }
        given = {**settings.pretraining.set, **overrides, **services}
        try:
            return load_config(settings.pretraining.config, list(written(given)))
        except UserError as error:
            raise UserError(f"{where}: {error}") from None

    @staticmethod
    def named(config: Config) -> Config:
        """The configuration under the name of its objective: studies that share a pre-training share its folder."""
        return make_config(config.tree(), [f"name=study-{config.objective.name}"])


def written(overrides: Mapping[str, Any]) -> Iterator[str]:
    """Overrides as they stand on a command line."""
    yield from (f"{key}={json.dumps(value)}" for key, value in overrides.items())
