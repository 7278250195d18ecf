"""The held-out pairs of a run folder, from the stages of its home."""

from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.measure.pairs import HeldOutPairs, held_out_pairs
from weam_ray.pipeline import StagePlan
from weam_ray.settings.config import load_config
from weam_ray.store.home import Home
from weam_ray.store.training_folder import CONFIG


def held_out_of(run: Path) -> list[HeldOutPairs]:
    """The held-out pairs of a run folder, from the stages of its home.

    Raises:
        UserError: no run of ours, or its stages are gone.
    """
    file = run / CONFIG
    if not file.is_file():
        raise UserError(f"held_out={run}: there is no {CONFIG}, so this is no folder of a run.")
    config = load_config(str(file))
    home = Home.of(config, run.parent.parent)
    stage = home.store.find(StagePlan.of_alignment(config, home.source_hashes()).specs["align"])
    if stage is None:
        raise UserError(f"held_out={run}: the aligned pairs of this run are not under {home.stages.path} any more.")
    return held_out_pairs(stage)
