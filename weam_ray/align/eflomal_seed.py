"""A seed for eflomal, which has no option for one: its program reads the state of its generator from /dev/urandom.

What runs is a copy of the program, in which that path, of 12 characters, is the name of a file with the seed. This is
done with versions only that it was tried with, and where the path stands in the program just once. Any other program
runs as it is, and its links differ from run to run; who asks for them says so.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

TRIED = ("2.0.0",)
NAME = "weamray.seed"

_ENTROPY = b"/dev/urandom\0"


def installed_version() -> str:
    """The version of eflomal that is installed; blank where no package says so."""
    try:
        return version("eflomal")
    except PackageNotFoundError:
        return ""


def can_be_seeded(program: Path) -> bool:
    """Whether the links of this program can be made to follow from a seed."""
    return installed_version() in TRIED and program.read_bytes().count(_ENTROPY) == 1


def write_seeded(program: Path, copy: Path, seed: int) -> None:
    """Write a copy of a program that can be seeded, and beside it the file from which it takes its random state."""
    code = program.read_bytes().replace(_ENTROPY, NAME.encode() + b"\0")
    copy.write_bytes(code)
    copy.chmod(0o700)
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    copy.with_name(NAME).write_bytes(state.tobytes())
