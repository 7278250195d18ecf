"""Which tests run in one process, where several processes run tests side by side."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
CLUSTER = "the cluster"


class ByCluster(LoadScopeScheduling):
    """Tests of a file go together, and those of all files that need a Ray cluster: two would starve each other."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid.partition("::")[0])


@cache
def scope_of(file: str) -> str:
    """The name of the scope of a test file, by its path from the root."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return CLUSTER if "ray_session" in text or "mark.ray" in text else file
