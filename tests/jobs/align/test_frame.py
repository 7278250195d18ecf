"""What the alignment job shares with the others: its lease, its MLflow run, `--dry-run` and `--fresh`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.support.align_job import CHECKOUT, VERSES, config_of, pipes, run
from tests.support.leases import leave_lease
from weam_ray.errors import UserError
from weam_ray.jobs.align import Alignment
from weam_ray.store.folder import Folder
from weam_ray.tracking.client import NOTE
from weam_ray.tracking.store import store_of

pytestmark = pytest.mark.ray


def job(home: Path, output: Path, *arguments: object, fresh: bool = False) -> Alignment:
    return Alignment.of(config_of("--output", output, *arguments, f"home={home}"), CHECKOUT, fresh)


def test_it_is_a_run_of_mlflow(good: tuple[Path, dict[str, Any]], home: Path) -> None:
    folder, result = good
    client = MlflowClient(store_of(None, home))
    found = client.get_run(result["mlflow_run_id"])
    assert found.info.status == "FINISHED"
    tags = {"kind": "alignment", "aligner": "fast_align", "languages": "en-de", "folder": str(folder)}
    assert tags.items() <= found.data.tags.items()
    assert "alignment error rate" in found.data.tags[NOTE]
    parameters = found.data.params
    assert (parameters["align.iterations"], parameters["encode.symmetrization"]) == ("5", "grow-diag-final-and")
    assert not {key for key in parameters if key.startswith(("training.", "objective.", "corpus.sources"))}
    assert "align.num_shards" not in parameters
    assert (found.data.metrics["pairs"], found.data.metrics["lines"]) == (300, 300)
    assert found.data.metrics["seconds/total"] > 0
    (entry,) = found.inputs.dataset_inputs
    assert (entry.dataset.name, json.loads(entry.dataset.profile)) == ("en-de", {"train": 300, "held_out": 0})
    files = {file.path for file in client.list_artifacts(found.info.run_id)}
    assert files == {"config.yaml", "result.json"}
    assert result["address"].endswith(f"/runs/{found.info.run_id}?workflowType=machine_learning")


def test_error_rates_are_figures_of_the_run(tmp_path: Path, ray_session: None) -> None:
    """Other gold is another run of MLflow, and a fit is no setting of links that come ready."""
    text = pipes(tmp_path / "text", *["haus ||| house", "weg ||| way"])
    links, gold = tmp_path / "links", tmp_path / "gold"
    links.write_text("0-0\n\n", encoding="utf-8")
    gold.write_text("0-0\n0-0\n", encoding="utf-8")
    given = (*text, "--aligner", "pharaoh", "--links", links)
    first = run(tmp_path / "home", tmp_path / "out", *given)
    second = run(tmp_path / "home", tmp_path / "out", *given, "--gold", gold)
    assert first["mlflow_run_id"] != second["mlflow_run_id"]
    found = MlflowClient(store_of(None, tmp_path / "home")).get_run(second["mlflow_run_id"])
    assert found.data.metrics["aer"] == second["aer"] == pytest.approx(100 / 3)
    assert found.data.metrics["aer_by_symmetrization/forward"] == second["aer"]
    assert "align.iterations" not in found.data.params


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    output = tmp_path / "out"
    leave_lease(Folder.at(output), "other", pid=os.getpid())
    before = {file: file.read_bytes() for file in output.iterdir()}
    with pytest.raises(UserError, match=r"is at work there; wait for it, or name another folder with --output"):
        run(tmp_path / "home", output, *VERSES)
    assert {file: file.read_bytes() for file in output.iterdir()} == before


def test_a_dry_run_writes_nothing(
    good: tuple[Path, dict[str, Any]], home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job(home, tmp_path / "out", *VERSES, "align.tension=5").preview()
    shown = capsys.readouterr().out
    stages = [line.partition(": ") for line in shown.splitlines() if line.startswith("stage ")]
    assert [(line[0].split()[1], line[2].partition(" ")[0]) for line in stages] == [
        ("corpus", "reuse"),
        ("aligner", "run"),
        ("align", "run"),
        ("links", "run"),
    ]
    assert "tension: 5.0" in shown
    assert f"folder {tmp_path / 'out'}: new or unfinished" in shown
    job(home, good[0], *VERSES).preview()
    assert f"folder {good[0]}: holds an alignment" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_fresh_takes_the_next_number(home: Path, good: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    assert job(home, tmp_path / "out", *VERSES, fresh=True).folder == tmp_path / "out"
    (tmp_path / "out").mkdir()
    assert job(home, tmp_path / "out", *VERSES, fresh=True).folder == tmp_path / "out-2"


def test_a_refused_alignment_leaves_nothing(tmp_path: Path, ray_session: None) -> None:
    """Neither a folder nor a run in MLflow, where the links that are given are of another text."""
    text = pipes(tmp_path / "text", *["haus ||| house", "weg ||| way"])
    (tmp_path / "links").write_text("0-0\n", encoding="utf-8")
    with pytest.raises(UserError, match="links"):
        run(tmp_path / "home", tmp_path / "out", *text, "--aligner", "pharaoh", "--links", tmp_path / "links")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home" / "mlflow.db").exists()
