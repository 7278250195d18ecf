"""A task as a development score: English training and development data, and no test data."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import write_encoder, write_sib200, write_tatoeba
from weam_ray.errors import UserError
from weam_ray.evaluate.development import development_parts, planned_task

RECIPE = {"epochs": 6, "learning_rate": 5e-3, "batch_size": 8}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Data without test files, and without other languages than English."""
    folder = tmp_path / "data"
    write_sib200(folder)
    for file in (folder / "sib200").glob("*/*.tsv"):
        if "eng" not in file.parent.name or file.stem == "test":
            file.unlink()
    return folder


def test_what_is_learned_of_english_alone(root: Path, tmp_path: Path, wordpiece: Any) -> None:
    model = str(write_encoder(tmp_path / "encoder", wordpiece))
    trained = development_parts(model, "sib200", root, RECIPE, 1, 1, False).percent
    untrained = development_parts(model, "sib200", root, RECIPE | {"learning_rate": 1e-30}, 1, 1, False).percent
    assert 0 <= untrained < trained <= 100
    assert development_parts(model, "sib200", root, RECIPE, 1, 1, False).percent == trained


def test_what_cannot_be_planned(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nli"):
        planned_task("nli", root, {})
    with pytest.raises(UserError, match="epoch: unknown key"):
        planned_task("sib200", root, {"epoch": 2})
    write_tatoeba(root)
    with pytest.raises(UserError, match="tatoeba: this task has no training"):
        planned_task("tatoeba", root, {})
    with pytest.raises(UserError, match="sib200"):
        planned_task("sib200", tmp_path / "nowhere", {})


def test_as_a_command(root: Path, tmp_path: Path, wordpiece: Any) -> None:
    model = str(write_encoder(tmp_path / "encoder", wordpiece))
    command = [sys.executable, "-m", "weam_ray.evaluate.development", "--model", model, "--task", "sib200"]
    given = ["--data-root", str(root), "--recipe", json.dumps(RECIPE)]
    found = subprocess.run([*command, *given], capture_output=True, text=True, check=True)
    score = json.loads(found.stdout.splitlines()[-1])["score"]
    assert score == pytest.approx(development_parts(model, "sib200", root, RECIPE, 1, 1, False).percent)
    refused = subprocess.run([*command, "--recipe", "[1]"], capture_output=True, text=True, check=False)
    sentence = "error: --recipe [1]: a JSON object of keys and values is expected.\n"
    assert (refused.returncode, refused.stderr) == (2, sentence)
