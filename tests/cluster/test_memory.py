"""The memory of a process: it is measured, and given back."""

import subprocess
import sys

WRITTEN = """
import numpy as np
from weam_ray.cluster.memory import LARGE, private_memory
before = private_memory()
held = np.ones(4 * LARGE, np.uint8)
more = private_memory() - before
del held
print(4 * LARGE, more, private_memory() - before)
"""

SCRIPT = """
import numpy as np
import pyarrow as pa
from weam_ray.cluster.memory import give_back_memory, private_memory
give_back_memory()
give_back_memory()
assert pa.default_memory_pool().backend_name == "system"
before = private_memory()
small = [np.ones(2**13) for _ in range(2_000)]  # 125 MiB in pieces that the C library keeps when they are freed
held = private_memory() - before
del small
give_back_memory()
print(held, private_memory() - before)
"""


def test_private_memory_grows_with_what_is_written() -> None:
    """In a process of its own, which keeps nothing that it could take instead."""
    done = subprocess.run([sys.executable, "-c", WRITTEN], capture_output=True, text=True, check=True)
    size, held, left = map(int, done.stdout.split())
    assert 0.9 * size < held < 2 * size
    assert left < 0.5 * size


def test_give_back_memory() -> None:
    """Twice, in a process of its own: it changes Arrow's pool for good."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    held, left = map(int, done.stdout.split())
    assert held > 100 * 2**20
    assert left < held / 4


HOLES = """
import numpy as np
from weam_ray.cluster.memory import STEPS_BETWEEN, KeptMemory, keep_memory, private_memory
keep_memory()
kept, stay = KeptMemory(), []
def steps(count):
    for _ in range(count):
        kept.after_step()
steps(STEPS_BETWEEN)
for _ in range(100):  # 200 MiB in pieces, each with something behind it that stays
    held = np.ones(2**18)
    stay.append(np.ones(2**10))
    stay.append(held)
full = private_memory()
del stay[1::2], held
left = private_memory()
steps(STEPS_BETWEEN)
print(full, left, private_memory())
"""


def test_kept_memory_that_has_grown_is_given_back() -> None:
    """Holes between what stays, which are kept otherwise."""
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    full, left, given_back = map(int, done.stdout.split())
    assert left > 0.9 * full
    assert given_back < full - 150 * 2**20
