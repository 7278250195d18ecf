"""What a study will do: its pre-trainings, by which its encoders come to be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from weam_ray.errors import UserError
from weam_ray.jobs.frame import Frame, Kind, check_holder
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.settings.config import Config
from weam_ray.settings.study import StudySettings
from weam_ray.store.home import Home
from weam_ray.store.runs import output_folder
from weam_ray.study.cells import Encoder
from weam_ray.study.check import check_study
from weam_ray.study.systems import BASE, Configurations, systems_of


@dataclass(frozen=True)
class Training:
    """A pre-training of a study: that of the base encoder, or of a system with a seed."""

    name: str
    seed: int
    config: Config

    def job(self, checkout: Path) -> Pretraining:
        """The pre-training as the main job runs it; nothing is written.

        Raises:
            UserError: a source, the encoder or the run folder is not what it must be.
        """
        try:
            return Pretraining.of(self.config, checkout)
        except UserError as error:
            raise UserError(f"{self.label}: {error}") from None

    @property
    def label(self) -> str:
        return self.name if self.name == BASE else f"{self.name}, seed {self.seed}"


@dataclass(frozen=True)
class StudyPlan:
    """A resolved study."""

    settings: StudySettings
    home: Home
    folder: Path
    checkout: Path

    @classmethod
    def of(cls, settings: StudySettings, checkout: Path, fresh: bool = False) -> Self:
        """Resolve it; nothing is run, and nothing written.

        Raises:
            UserError: a system, a task, a claim or the folder is not what it must be.
        """
        home = Home.of(settings, checkout)
        settings = settings.model_copy(update={"home": str(home.path)})
        check_study(settings, home)
        folder = output_folder(settings.output, home, f"study-{settings.name}", fresh)
        check_holder(folder, Kind.STUDY, "output.dir")
        return cls(settings, home, folder, checkout)

    @property
    def frame(self) -> Frame:
        return Frame(self.home, self.folder, "output.dir", self.settings)

    @property
    def configurations(self) -> Configurations:
        return Configurations(self.settings)

    def base(self) -> Training | None:
        """The pre-training of the base encoder; None where it is an encoder that is there."""
        config = self.configurations.of_base()
        return None if config is None else Training(BASE, 1, config)

    def trainings(self, base: str | None) -> list[Training]:
        """The pre-trainings of the systems, all of the first seed first, so that what can be seen early is seen.

        Args:
            base: the folder of the base encoder that the study trained.
        """
        seeds = range(1, self.settings.pretraining_seeds + 1)
        trained = [system for system in systems_of(self.settings) if system.overrides is not None]
        return [
            Training(system.name, seed, self.configurations.of(system, seed, base))
            for seed in seeds
            for system in trained
        ]

    def encoders(self, base: str | None, models: dict[tuple[str, int], str]) -> list[Encoder]:
        """The encoders of all systems, of those that are there.

        Args:
            models: the folders of those that the study trained, by system and seed.
        """
        found = []
        for system in systems_of(self.settings):
            if system.overrides is None:
                found.append(Encoder(system, None, self.configurations.encoder(base)))
                continue
            for seed in range(1, self.settings.pretraining_seeds + 1):
                if (system.name, seed) in models:
                    found.append(Encoder(system, seed, models[system.name, seed]))
        return found
