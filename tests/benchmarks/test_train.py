"""The training benchmark: what it counts, the losses it compares, and a short run of the whole."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.cases import Case, hugging_face, identical_batches, operations, step_sizes
from tests.support.main_job import tiny_overrides, write_moses
from tests.support.rows import make_collator, make_row
from weam_ray.encode.rows import RowKey
from weam_ray.pipeline import StagePlan, run_stages
from weam_ray.settings.config import load_config
from weam_ray.store.home import Home

CHECKOUT = Path(__file__).resolve().parents[2]


def test_operations_by_hand() -> None:
    """One layer of hidden size 2 and inner size 3, a vocabulary of 5: products of a forward pass, three times over."""
    model = SimpleNamespace(hidden_size=2, num_hidden_layers=1, intermediate_size=3, vocab_size=5)
    size = {"tokens": 4, "squares": 16, "masked": 2, "partners": 1}
    linear = 4 * (4 * 2 * 2 + 2 * 2 * 3)  # query, key, value, output; up and down
    attention = 2 * 16 * 2  # scores, and the mean of values
    head = 2 * (2 * 2 + 2 * 5)
    assert operations(model, size, cross_lingual=False) == 3 * 2 * (linear + attention + head)
    assert operations(model, size, cross_lingual=True) == 3 * 2 * (linear + attention + head * 3 / 2)


def test_sizes_of_a_batch() -> None:
    collator = make_collator(masking="aligned", mask_probability=0.999)
    rows = [make_row([11, 12], [21, 22, 23], [(0, 1)]), make_row([13], [24])]
    batch = collator([(RowKey(0, number), row) for number, row in enumerate(rows)])
    sizes = step_sizes(batch)
    assert sizes == {"tokens": 8 + 5, "squares": 64 + 25, "masked": 2, "partners": 2}


@pytest.mark.slow
@pytest.mark.ray
def test_the_trainer_has_our_losses_on_our_batches(ray_session: None, tmp_path: Path) -> None:
    overrides = tiny_overrides(tmp_path / "home", write_moses(tmp_path))
    constant = ("optimizer={schedule: constant, warmup_share: 0.0}", "encoder.dropout=0.0", "objective=tlm")
    config = load_config("bundled", [*overrides, *constant])
    home = Home.of(config, tmp_path)
    data = run_stages(config, home.store, StagePlan.of(config, home.source_hashes()))
    # in processes of their own, as the benchmark runs them: they set this one's threads and allocator
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(identical_batches, Case(config, data, 0), str(tmp_path / "trainer")).result()
        timed = pool.submit(hugging_face, Case(config, data, 2), str(tmp_path / "trainer")).result()
    assert len(found["ours"]) == 6
    np.testing.assert_allclose(found["ours"], found["trainer"], rtol=1e-4)
    assert found["ours"][0] != found["ours"][-1]
    assert len(timed["tokens"]) == len(timed["seconds"]) == 4
    assert min(timed["seconds"]) > 0


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1000)  # a dozen processes that import torch, one after another
def test_a_short_run(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    file = tmp_path / "figures.json"
    script = [sys.executable, str(CHECKOUT / "benchmarks" / "train.py"), "--json", str(file), "--small"]
    done = subprocess.run(
        [*script, "--steps", "8"],
        env={**environment, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert figures["largest_loss_difference"] < 1e-4
    assert figures["tokens_per_second_vs_hf_trainer"] > 0
    assert 0 < figures["padding_share"] < 0.05
    assert 0.5 < figures["partner_share"] < 1
    assert 1 < figures["small_weam"]["predicted_by_operations"] < 1.2
    assert set(figures["ray_overhead"]) >= {"stage_0", "stage_1", "stage_2", "stage_3"}
    assert f"Results: {file}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps 0: a number of 1 or more is expected"),
        pytest.param(["--threads", "1000"], "--threads 1000: this machine offers 1 to", marks=pytest.mark.slow),
        pytest.param(["--json", "/nowhere/f.json"], "--json: there is no folder '/nowhere'", marks=pytest.mark.slow),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], message: str) -> None:
    script = [sys.executable, str(CHECKOUT / "benchmarks" / "train.py"), "--json", str(tmp_path / "f.json")]
    done = subprocess.run(
        [*script, *arguments],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
