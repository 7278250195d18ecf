"""What the best of a search has seen of the development data of a task."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.lab import write_sib200
from weam_ray.corpus.sentences import sentence_names
from weam_ray.overlap.found import NEAR, SAME
from weam_ray.overlap.record import FILE, Record
from weam_ray.search.seen import seen_by
from weam_ray.settings.config import load_config
from weam_ray.store.folder import Folder
from weam_ray.store.stages import StageStore


@pytest.fixture
def trials(tmp_path: Path) -> Any:
    write_sib200(tmp_path)
    config = load_config("bundled", ["search.metric=task:sib200", f"data_root={tmp_path}"])
    return SimpleNamespace(config=config, home=SimpleNamespace(store=StageStore(Folder.at(tmp_path / "stages"))))


@pytest.mark.ray
def test_development_data_of_a_task(ray_session: None, trials: Any, tmp_path: Path) -> None:
    """In English, by which the trials were compared; test data are not looked at."""
    with (tmp_path / "sib200" / "eng_Latn" / "dev.tsv").open(encoding="utf-8") as file:
        _, *rows = (line.rstrip("\n").split("\t") for line in file)
    record = Record(sentence_names([rows[0][-1].upper()]), unknown=("bert",))
    (tmp_path / FILE).write_bytes(record.to_bytes())
    seen, notes = seen_by(trials, tmp_path, None)
    assert seen == {"dev": {"sib200": {"examples": len(rows), SAME: 1, NEAR: 0}}}
    assert notes[0].endswith(f"sib200 1 and 0 of {len(rows)}")
    assert notes[1] == "The model began from bert; what that was pre-trained on is not known."


def test_a_model_of_an_earlier_version(trials: Any, tmp_path: Path) -> None:
    seen, (note,) = seen_by(trials, tmp_path, None)
    assert seen is None
    assert "has no record of its training text" in note
