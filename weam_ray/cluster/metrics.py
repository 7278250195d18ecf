"""Progress as metrics of Ray, for its dashboard and for Prometheus: every node has them on its metrics port.

| metric | kind | tag | what |
|---|---|---|---|
| `ray_weam_pairs_aligned_total` | counter | language_pair | pairs that were aligned |
| `ray_weam_steps_total` | counter | run | optimizer steps |
| `ray_weam_tokens_trained_total` | counter | run | tokens of those steps, but for padding |
| `ray_weam_data_wait_seconds_total` | counter | run | seconds that those steps waited for data |
| `ray_weam_loss` | gauge | run | loss of the last step |
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pyarrow as pa


def counted(tables: Iterable[pa.Table], language_pair: str) -> Iterator[pa.Table]:
    """The tables of an alignment as they come, their rows counted."""
    counter = metric("Counter", "pairs_aligned", "pairs that were aligned", "language_pair")
    for table in tables:
        yield table
        counter.inc(table.num_rows, {"language_pair": language_pair})


@cache
def metric(kind: str, name: str, description: str, tag: str) -> Any:
    """A metric of this process, made once."""
    from ray.util import metrics

    return getattr(metrics, kind)(f"weam_{name}", description=description, tag_keys=(tag,))
