"""The run of ours that a model came from: its held-out pairs, and what it was trained with."""

from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.measure.pairs import HeldOutPairs, held_out_pairs
from weam_ray.pipeline import AlignmentPlan
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.parsing import flat_parameters
from weam_ray.store.home import Home
from weam_ray.store.provenance import Provenance
from weam_ray.store.training_folder import CONFIG, SEEN


def held_out_of(run: Path) -> list[HeldOutPairs]:
    """The pairs of the part `test` that a run folder holds out, from the stages of its home.

    Raises:
        UserError: no run of ours, or its stages are gone.
    """
    file = run / CONFIG
    if not file.is_file():
        raise UserError(f"held_out={run}: there is no {CONFIG}, so this is no folder of a run.")
    config = load_config(str(file))
    home = home_of(config, run)
    stage = home.store.find(AlignmentPlan.of(config, home.source_hashes()).align.spec)
    if stage is None:
        raise UserError(f"held_out={run}: the aligned pairs of this run are not under {home.stages.path} any more.")
    return held_out_pairs(stage, config.corpus.held_out_seed)


def home_of(config: Config, run: Path) -> Home:
    """The home of a run of ours, by its configuration and its folder."""
    return Home.of(config, run.parent.parent)


def config_of_run(model: str) -> Config | None:
    """The configuration of the run of ours that a model was exported from, if it was."""
    file = Path(model).absolute().parent / CONFIG
    if not file.is_file():
        return None
    try:
        return load_config(str(file))
    except UserError:  # a file of others
        return None


def provenance_of(model: str) -> Provenance | None:
    """How a model was pre-trained, by the file beside its weights, or by the run folder that it lies in; None for one
    that is from no run of ours, or of which that is not known.

    Raises:
        UserError: the file is damaged.
    """
    found = Provenance.beside(model)
    config = config_of_run(model) if found is None else None
    if config is None:
        return found
    settings = config.result_settings()
    seeds = settings.pop("seeds")
    return Provenance(seeds, flat_parameters(settings))  # of an earlier version


def is_of_a_run(model: str) -> bool:
    """Whether a model was trained by a run of ours, even if not all is known of that."""
    return (Path(model) / SEEN).is_file() or provenance_of(model) is not None
