"""What a process gives back, and what it says of its own memory."""

import numpy as np
import psutil

from weam_ray.memory import give_back_memory, private_memory

MIB = 2**20


def test_private_memory_counts_what_is_touched() -> None:
    give_back_memory()
    before = private_memory()
    held = np.ones(64 * MIB, np.uint8)
    assert private_memory() - before > 60 * MIB
    assert private_memory() <= psutil.Process().memory_info().rss
    del held
    give_back_memory()
    assert private_memory() - before < 16 * MIB
