"""Ray's metrics of alignment and training, as the metrics port of the node shows them."""

import re
import urllib.request

import pyarrow as pa
import pytest

from tests.support.processes import wait_until
from weam_ray.cluster.metrics import counted
from weam_ray.cluster.tasks import RayTasks
from weam_ray.train.metrics import step_done
from weam_ray.train.record import StepRecord

STEP = StepRecord(
    step=1,
    loss=2.5,
    parts={},
    learning_rate=1e-3,
    gradient_norm=1.0,
    tokens=640,
    masked=90,
    aligned=50,
    seconds=0.4,
    waited=0.25,
    padding_share=0.01,
    lost_tokens=0,
    lost_links=0,
    head_rows=120,
)


def work() -> int:
    """Count what no other test of the session counts."""
    tables = counted([pa.table({"a": range(7)}), pa.table({"a": range(5)})], "qaa-qab")
    step_done(STEP, "a-run")
    step_done(STEP, "a-run")
    return sum(table.num_rows for table in tables)


def value(page: str, name: str, tag: str) -> float:
    """The sum over processes of a metric with a tag."""
    found = re.findall(rf"^{name}\{{[^}}]*{tag}[^}}]*\}} (\S+)$", page, re.MULTILINE)
    return sum(map(float, found))


@pytest.mark.slow
@pytest.mark.ray
def test_progress_is_on_the_metrics_port(ray_session: None) -> None:
    import ray

    tasks = RayTasks(0.1)
    assert tasks.get(tasks.submit(work)) == 12
    address = f"http://127.0.0.1:{ray.nodes()[0]['MetricsExportPort']}/metrics"

    def page() -> str:
        return urllib.request.urlopen(address, timeout=10).read().decode()

    wait_until(lambda: 'run="a-run"' in page() and 'language_pair="qaa-qab"' in page(), 60)
    found = page()
    run = 'run="a-run"'
    assert value(found, "ray_weam_pairs_aligned_total", 'language_pair="qaa-qab"') == 12
    assert value(found, "ray_weam_steps_total", run) == 2
    assert value(found, "ray_weam_tokens_trained_total", run) == 1280
    assert value(found, "ray_weam_data_wait_seconds_total", run) == 0.5
    assert value(found, "ray_weam_loss", run) == 2.5
