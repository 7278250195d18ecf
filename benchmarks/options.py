"""What the benchmarks ask of their command lines."""

import os
from pathlib import Path

from weam_ray.errors import UserError


def check_cores(key: str, value: int, fewest: int = 1) -> int:
    """The cores that this machine offers.

    Raises:
        UserError: an option asks for fewer than `fewest`, or for more than there are.
    """
    cores = len(os.sched_getaffinity(0))
    if not fewest <= value <= cores:
        raise UserError(f"{key} {value}: this machine offers 1 to {cores} cores.")
    return cores


def check_json(file: Path) -> None:
    """Raises UserError where there is no folder for the figures, before they are measured."""
    if not file.absolute().parent.is_dir():
        raise UserError(f"--json: there is no folder {str(file.absolute().parent)!r}.")
