"""A search of seconds."""

from pathlib import Path

import psutil

from tests.support.main_job import config_of
from weam_ray.settings.config import Config

CORES = psutil.cpu_count()  # a worker that needs all of them: no part of one is left for the trial's own process

TWO_RATES = """
from weam_ray.search.space import Choice, Space

def space():
    return Space.of({"optimizer.learning_rate": Choice(values=[0.005, 1.0e-9])})
"""


def search_config(place: Path, *overrides: str, space: str = TWO_RATES) -> Config:
    """A search of seconds; the second trial learns nothing, and is stopped."""
    file = place / "own_space.py"
    file.write_text(space, encoding="utf-8")
    return config_of(
        place,
        f"search={{space: {file}, algorithm: grid, num_trials: 2, max_concurrent: 1, metric: held_out_loss}}",
        "training.max_steps=12",
        f"training.threads_per_worker={CORES}",
        "corpus.held_out=20",
        *overrides,
    )
